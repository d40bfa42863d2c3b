"""Sends dead letters again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..chests.base import Chest
from ..delivery.dead_letters import DeadLetter, DeadLetters
from ..delivery.journal.scope import JournalScope
from ..delivery.journal.totals import add_to_totals
from ..delivery.ledger import Ledger
from ..errors import ChestError, DeliveryError, RejectedError
from ..record.encoding import Batch


class Replay:
    """Another try for the records that a chest rejected.

    :param scope: the app and its journal; letters of other apps are left alone.
    :param chest: the chest.
    :param others: the app's other chests. Where chests were numbered anew, a letter goes to the one
        that had rejected it, whatever that is called now.
    :raises ChestError: they are being sent again already.
    """

    def __init__(self, scope: JournalScope, chest: Chest, others: Iterable[Chest] = ()) -> None:
        self._scope = scope
        self._chest = chest
        self._stores = {place: each for each in others if (place := each.location())}
        self._stores[chest.location()] = chest
        self._letters = DeadLetters(scope, chest.name)
        # Two at once would each put back what the other one has dealt with.
        alone = self._letters.replay_lock.acquire()
        everything = self._letters.read()
        self._taken = len(everything)
        found = [letter for letter in everything if letter.belongs_to(scope.app_name)]
        self._of_others = [letter for letter in everything if not letter.belongs_to(scope.app_name)]
        if found and not alone:
            raise ChestError(
                f"chest {chest.name!r}: its dead letters in {self._letters.path} are being sent "
                "again already, or are not writable; wait for the other replay to end"
            )
        # One that was rejected in the moment of a crash may have been kept twice.
        self._waiting = list({(each.line, each.store): each for each in found}.values())
        #: How many were accepted this time.
        self.delivered = 0
        #: Those that are still rejected, or were not tried any more.
        self.left: list[DeadLetter] = []
        #: Where stores are that no chest leads to, and that have refused some of those.
        self.strange: set[str] = set()
        #: Why it was ended early.
        self.failure: DeliveryError | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def run(self) -> Iterator[DeadLetter]:
        """Send each record by itself, so that one that is bad spoils no other; yields each one."""
        tried = 0
        try:
            for letter in self._waiting:
                self._send(letter)
                tried += 1
                yield letter
        finally:
            # Also when the user has had enough of it.
            self.left += self._waiting[tried:]
            self._settle()

    def _settle(self) -> None:
        self._letters.replace([*self._of_others, *self.left], taken=self._taken)
        self._letters.replay_lock.release()
        if self.delivered:
            moved = Ledger()
            account = moved.account(self._chest.name)
            account.delivered, account.rejected = self.delivered, -self.delivered
            add_to_totals(self._scope, moved)

    def _send(self, letter: DeadLetter) -> None:
        target = self._target_of(letter)
        if target is None or self.failure is not None:
            self.left.append(letter)
            return
        try:
            target.write(Batch([letter.line]))
        except RejectedError as error:
            self.left.append(letter._replace(reason=str(error)))
        except DeliveryError as error:
            self.failure = error
            self.left.append(letter)
        else:
            self.delivered += 1

    def _target_of(self, letter: DeadLetter) -> Chest | None:
        found = self._stores.get(letter.store)
        if found is None and (self._chest.name_was_given or not letter.store):
            return self._chest
        if found is None:
            # The store may be gone, and its number another's.
            self.strange.add(letter.store)
        return found
