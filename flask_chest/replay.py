"""Sends dead letters again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .chests.base import Chest
from .delivery.dead import DeadLetters, Letter
from .delivery.ledger import Ledger
from .delivery.totals import add_to_totals
from .encoding import Batch
from .errors import DeliveryError, RejectedError


class Replay:
    """Another try for the records that a chest rejected.

    :param root: the journal's folder.
    :param chest: the chest.
    """

    def __init__(self, root: Path, chest: Chest) -> None:
        self._root = root
        self._chest = chest
        self._letters = DeadLetters(root, chest.name)
        self._waiting = self._letters.read()
        #: How many were accepted this time.
        self.delivered = 0
        #: Those that are still rejected, or were not tried any more.
        self.left: list[Letter] = []
        #: Why it was ended early.
        self.failure: DeliveryError | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def run(self) -> Iterator[Letter]:
        """Send each record by itself, so that one that is bad spoils no other; yields each one."""
        for letter in self._waiting:
            self._send(letter)
            yield letter
        self._letters.replace(self.left, taken=len(self._waiting))
        if self.delivered:
            moved = Ledger()
            account = moved.account(self._chest.name)
            account.delivered, account.rejected = self.delivered, -self.delivered
            add_to_totals(self._root, moved)

    def _send(self, letter: Letter) -> None:
        if self.failure is not None:
            self.left.append(letter)
            return
        try:
            self._chest.write(Batch([letter.line]))
        except RejectedError as error:
            self.left.append(Letter(str(error), letter.line))
        except DeliveryError as error:
            self.failure = error
            self.left.append(letter)
        else:
            self.delivered += 1
