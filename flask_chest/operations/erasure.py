"""Erases one person's records: in a store, and among the dead letters that wait for it."""

from __future__ import annotations

from collections.abc import Iterator

from ..chests.base import Chest
from ..delivery.dead_letters import DeadLetter, DeadLetters
from ..delivery.journal.scope import JournalScope
from ..delivery.journal.totals import add_to_totals
from ..delivery.ledger import Ledger
from ..errors import ChestError
from ..query.eraser import BATCH_SIZE
from ..query.matching import matches
from ..query.query import Query
from ..query.reader import Reader
from ..record.encoding import decode
from ..record.record import Record


class Erasure:
    """The erasure of some records from one store.

    :param chest: the store.
    :param reader: reads it.
    :param query: which records.
    """

    def __init__(self, chest: Chest, reader: Reader, query: Query) -> None:
        self._chest = chest
        self._reader = reader
        self._query = query

    def run(self) -> Iterator[int]:
        """Erase, a batch at a time; yields the size of each.

        :raises flask_chest.errors.ReadError: the store does not answer.
        """
        eraser = self._chest.eraser()
        if eraser is None:
            return
        try:
            while records := self._reader.page(self._query, limit=BATCH_SIZE):
                gone = eraser.erase([record.id for record in records])
                yield gone
                if not gone:
                    return  # somebody else was faster, or the store does not delete
        finally:
            eraser.close()


def erase_dead_letters(scope: JournalScope, chest: str, query: Query) -> int:
    """Erase dead letters of a chest; returns how many there were.

    :param scope: the app that they belong to, and its journal.
    :raises flask_chest.errors.ChestError: they are being sent again, or cannot be written.
    """
    letters = DeadLetters(scope, chest)
    if not any(_is_meant(letter, query, scope) for letter in letters.read()):
        return 0
    # A replay that ends now would put back what it had read; one that has ended has left others.
    if not letters.replay_lock.acquire():
        raise ChestError(f"chest {chest!r}: its dead letters are being sent again; try again later")
    try:
        gone = _erase(letters, query, scope)
        moved = Ledger()
        account = moved.account(chest)
        account.rejected, account.lost["forgotten"] = -gone, gone
        add_to_totals(scope, moved)
    except OSError as error:
        raise ChestError(f"chest {chest!r}: its dead letters cannot be erased: {error}") from None
    finally:
        letters.replay_lock.release()
    return gone


def _erase(letters: DeadLetters, query: Query, scope: JournalScope) -> int:
    there = letters.read()
    kept = [letter for letter in there if not _is_meant(letter, query, scope)]
    letters.replace(kept, taken=len(there))
    return len(there) - len(kept)


def matching_dead_letters(scope: JournalScope, chest: str, query: Query) -> list[Record]:
    """The records of an app among the dead letters of a chest that are asked for."""
    letters = DeadLetters(scope, chest).read()
    return [decode(each.line) for each in letters if _is_meant(each, query, scope)]


def _is_meant(letter: DeadLetter, query: Query, scope: JournalScope) -> bool:
    if not letter.belongs_to(scope.app_name):
        return False
    try:
        return matches(decode(letter.line), query.where)
    except (KeyError, TypeError):
        return False  # what a relay found in its stream, and is no record
