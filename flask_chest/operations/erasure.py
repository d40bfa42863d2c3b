"""Erases one person's records from a store and from its dead letters."""

from __future__ import annotations

from collections.abc import Iterator

from ..chests.base import Chest
from ..chests.eraser import BATCH_SIZE
from ..chests.reader import Reader
from ..delivery.dead_letters import DeadLetter, DeadLetters
from ..delivery.journal.app_scope import JournalScope
from ..delivery.journal.delivered_record_overwriting import overwrite_delivered_copies
from ..delivery.journal.ledger_of_all_processes import add_to_totals
from ..delivery.ledger import Ledger
from ..errors import ChestError
from ..query.filter_matching import matches
from ..query.query import Query
from ..record.json_line import decode
from ..record.record import Record


class Erasure:
    """Erases the records of a query from one store.

    :param chest: the chest of the store.
    :param reader: a reader of the store.
    :param query: the records to erase.
    """

    def __init__(self, chest: Chest, reader: Reader, query: Query) -> None:
        self._chest = chest
        self._reader = reader
        self._query = query
        #: Sentences about places that may still hold values of the records.
        self.problems: list[str] = []

    def run(self) -> Iterator[int]:
        """Erase records in batches; yield the size of each batch.

        :raises flask_chest.errors.ReadError: the store does not answer.
        """
        eraser = self._chest.eraser()
        if eraser is None:
            return
        has_erased = False
        try:
            while records := self._reader.page(self._query, limit=BATCH_SIZE):
                erased = eraser.erase([record.id for record in records])
                has_erased = True
                yield erased
                if not erased:
                    break  # another process erased them, or the store ignores deletions
            if has_erased:
                self.problems = eraser.finish()
        finally:
            eraser.close()


def erase_dead_letters(scope: JournalScope, chest: str, query: Query) -> int:
    """Erase matching dead letters of a chest; return how many were erased.

    :param scope: the app and its journal; dead letters of other apps are not erased.
    :param chest: the name of the chest.
    :param query: only its filters apply.
    :raises flask_chest.errors.ChestError: a replay is running, or the file cannot be written.
    """
    letters = DeadLetters(scope, chest)
    if not any(_is_match(letter, query, scope.app_name) for letter in letters.read()):
        return 0
    # A running replay would write back the letters that it has read. The letters are read again
    # under the lock, since a replay may have ended in between.
    if not letters.replay_lock.try_acquire():
        raise ChestError(f"chest {chest!r}: its dead letters are being replayed; try again later")
    try:
        erased = _erase(letters, query, scope.app_name)
        change = Ledger()
        account = change.account(chest)
        account.rejected, account.lost["forgotten"] = -erased, erased
        add_to_totals(scope, change)
    except OSError as error:
        raise ChestError(f"chest {chest!r}: its dead letters cannot be erased: {error}") from None
    finally:
        letters.replay_lock.release()
    return erased


def erase_delivered_copies(scope: JournalScope, query: Query) -> int:
    """Overwrite matching records that are delivered and still stand in the journal.

    :param scope: the app and its journal.
    :param query: only its filters apply.
    :returns: how many were overwritten.
    :raises flask_chest.errors.ChestError: the journal cannot be written.
    """
    try:
        return overwrite_delivered_copies(scope, lambda line: _line_matches(line, query))
    except OSError as error:
        raise ChestError(f"the journal {scope.root}: copies cannot be erased: {error}") from None


def matching_dead_letters(scope: JournalScope, chest: str, query: Query) -> list[Record]:
    """The records of matching dead letters; parameters as for :func:`erase_dead_letters`."""
    letters = DeadLetters(scope, chest).read()
    return [decode(each.line) for each in letters if _is_match(each, query, scope.app_name)]


def _erase(letters: DeadLetters, query: Query, app_name: str) -> int:
    stored = letters.read()
    kept = [letter for letter in stored if not _is_match(letter, query, app_name)]
    letters.replace(kept, taken=len(stored))
    return len(stored) - len(kept)


def _is_match(letter: DeadLetter, query: Query, app_name: str) -> bool:
    return letter.belongs_to(app_name) and _line_matches(letter.line, query)


def _line_matches(line: bytes, query: Query) -> bool:
    try:
        return matches(decode(line), query.where)
    except (KeyError, TypeError):
        return False  # an entry of a stream that is not a record, rejected by a relay
