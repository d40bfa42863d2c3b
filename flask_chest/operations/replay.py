"""Replays dead letters: sends rejected records to their chest again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..chests.base import Chest
from ..delivery.dead_letters import DeadLetter, DeadLetters
from ..delivery.journal.app_scope import JournalScope, storable_text
from ..delivery.journal.ledger_of_all_processes import add_to_totals
from ..delivery.ledger import Ledger
from ..errors import ChestError, DeliveryError, QueryError, RejectedError
from ..query.export_ndjson import from_line
from ..record.batch import Batch
from ..record.json_line import encode


class Replay:
    """One replay of the dead letters of a chest.

    :param scope: the app and its journal; dead letters of other apps are not replayed.
    :param chest: the chest.
    :param others: the app's other chests. A letter is sent to the chest whose store rejected it,
        even if chests were renumbered since.
    :raises ChestError: another replay of these letters is running, or the file is not writable.
    """

    def __init__(self, scope: JournalScope, chest: Chest, others: Iterable[Chest] = ()) -> None:
        self._scope = scope
        self._chest = chest
        self._chests = {location: each for each in others if (location := _location(each))}
        self._chests[_location(chest)] = chest
        self._letters = DeadLetters(scope, chest.name)
        # Two replays at once would write back the letters that the other one delivered.
        is_exclusive = self._letters.replay_lock.try_acquire()
        stored = self._letters.read()
        own = [letter for letter in stored if letter.belongs_to(scope.app_name)]
        if own and not is_exclusive:
            raise ChestError(
                f"chest {chest.name!r}: its dead letters in {self._letters.path} are being "
                "replayed already, or are not writable; wait for the other replay to end"
            )
        self._taken = len(stored)
        self._foreign = [letter for letter in stored if not letter.belongs_to(scope.app_name)]
        # A crash during a rejection may have stored a letter twice.
        self._waiting = list({(each.line, each.store): each for each in own}.values())
        #: Number of letters that were delivered.
        self.delivered = 0
        #: Letters that were rejected again or not sent.
        self.remaining: list[DeadLetter] = []
        #: Locations of stores that rejected letters and that no chest writes to.
        self.unknown_locations: set[str] = set()
        #: The error that ended the replay early, if any.
        self.failure: DeliveryError | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def run(self) -> Iterator[DeadLetter]:
        """Send each letter on its own, since a batch is rejected as a whole; yield each letter."""
        sent = 0
        try:
            for letter in self._waiting:
                self._send(letter)
                sent += 1
                yield letter
        finally:
            # Also if the user interrupts the replay.
            self.remaining += self._waiting[sent:]
            self._finish()

    def _finish(self) -> None:
        self._letters.replace([*self._foreign, *self.remaining], taken=self._taken)
        self._letters.replay_lock.release()
        if self.delivered:
            change = Ledger()
            account = change.account(self._chest.name)
            account.delivered, account.rejected = self.delivered, -self.delivered
            add_to_totals(self._scope, change)

    def _send(self, letter: DeadLetter) -> None:
        chest = self._chest_for(letter)
        if chest is None or self.failure is not None:
            self.remaining.append(letter)
            return
        try:
            # Somebody may have edited the letter, and its writer may have checked less.
            chest.write(Batch([encode(from_line(letter.line))]))
        except (RejectedError, QueryError) as error:
            self.remaining.append(letter._replace(reason=str(error)))
        except DeliveryError as error:
            self.failure = error
            self.remaining.append(letter)
        else:
            self.delivered += 1

    def _chest_for(self, letter: DeadLetter) -> Chest | None:
        chest = self._chests.get(letter.store)
        if chest is None and (self._chest.name_was_given or not letter.store):
            return self._chest
        if chest is None:
            # The store was removed, and another store may have its number now.
            self.unknown_locations.add(letter.store)
        return chest


def _location(chest: Chest) -> str:
    """Return a store's location as dead letters have it."""
    return storable_text(chest.location())
