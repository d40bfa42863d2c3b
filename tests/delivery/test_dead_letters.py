"""Dead letters and their replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from flask_chest.chests.base import Chest
from flask_chest.delivery.dead_letters import DeadLetter, DeadLetters
from flask_chest.delivery.file_lock import FileLock
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.ledger_of_all_processes import add_to_totals, read_ledger
from flask_chest.delivery.ledger import Ledger
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.operations.erasure import erase_dead_letters
from flask_chest.operations.replay import Replay
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query
from flask_chest.record.json_line import EPOCH, encode, from_microseconds
from flask_chest.record.record import Record

LINES = [encode(Record(id=f"{number:032x}", time=from_microseconds(number))) for number in range(4)]


class Picky(Chest):
    """Rejects one record, and fails at another.

    :param rejects: the end of the id of the rejected record.
    :param fails: the end of the id of the record at which it fails.
    """

    def __init__(self, rejects: str = "", fails: str = "") -> None:
        super().__init__(name="picky")
        self.accepted: list[str] = []
        self._rejects = rejects
        self._fails = fails

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.id.endswith(self._rejects or "-"):
                raise RejectedError("still no")
            if record.id.endswith(self._fails or "-"):
                raise DeliveryError("down")
            self.accepted.append(record.id)


@pytest.mark.parametrize(
    "name", ["influx", "../../etc/passwd", ".hidden", "a/b", "ü 1", "x" * 200, "ä" * 33]
)
def test_the_file_is_in_the_folder_for_any_chest_name(tmp_path: Path, name: str) -> None:
    """A chest's name never leads out of the folder, and its letters can be read again."""
    letters = DeadLetters(JournalScope(tmp_path), name)
    letters.add(LINES, "bad")
    assert letters.path.parent == tmp_path / "dead"
    assert letters.read() == [DeadLetter("bad", line) for line in LINES]


def test_a_damaged_letter_is_skipped(tmp_path: Path) -> None:
    """The letters before and after a damaged line are read."""
    letters = DeadLetters(JournalScope(tmp_path), "picky")
    letters.add(LINES[:1], "bad")
    with letters.path.open("ab") as file:
        file.write(b'{"reason": \n')
    letters.add(LINES[1:2], "worse")
    assert [letter.reason for letter in letters.read()] == ["bad", "worse"]


def test_a_replay_removes_accepted_letters(tmp_path: Path) -> None:
    """Accepted letters count as delivered; the others stay, with the new reason."""
    letters = DeadLetters(JournalScope(tmp_path), "picky")
    letters.add(LINES, "bad")
    rejected = Ledger()
    rejected.account("picky").rejected = 4
    add_to_totals(JournalScope(tmp_path), rejected)

    replay = Replay(JournalScope(tmp_path), Picky(rejects="2"))
    assert len(list(replay.run())) == len(replay) == 4

    assert replay.delivered == 3
    assert letters.read() == [DeadLetter("still no", LINES[2])]
    account = read_ledger(JournalScope(tmp_path)).account("picky")
    assert (account.captured, account.delivered, account.rejected) == (4, 3, 1)


def test_letters_that_are_added_during_a_replay_stay(tmp_path: Path) -> None:
    """A replay removes only the letters that it has read."""
    letters = DeadLetters(JournalScope(tmp_path), "picky")
    letters.add(LINES[:2], "bad")
    replay = Replay(JournalScope(tmp_path), Picky())
    for number, _ in enumerate(replay.run()):
        letters.add([LINES[2 + number]], "new")
    assert letters.read() == [DeadLetter("new", LINES[2]), DeadLetter("new", LINES[3])]


def test_a_store_that_is_down_ends_the_replay(tmp_path: Path) -> None:
    """After a failure no further record is sent, and no letter is lost."""
    letters = DeadLetters(JournalScope(tmp_path), "picky")
    letters.add(LINES, "bad")
    replay = Replay(JournalScope(tmp_path), Picky(fails="1"))
    list(replay.run())
    assert replay.delivered == 1
    assert str(replay.failure) == "down"
    assert [letter.line for letter in letters.read()] == LINES[1:]


def test_an_erasure_right_after_a_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay that ends just before does not restore its letters, and counts once."""
    DeadLetters(JournalScope(tmp_path), "picky").add(LINES, "bad")
    rejected = Ledger()
    rejected.account("picky").rejected = 4
    add_to_totals(JournalScope(tmp_path), rejected)
    acquire = FileLock.acquire

    def replay_before(lock: FileLock, seconds: float = 0.0) -> bool:
        monkeypatch.undo()
        for _ in Replay(JournalScope(tmp_path), Picky(rejects="1")).run():
            pass
        return acquire(lock, seconds)

    monkeypatch.setattr(FileLock, "acquire", replay_before)
    where = (parse_filter(f"id={1:032x}"),)
    query = Query(since=EPOCH, until=EPOCH + timedelta(days=1), where=where)
    assert erase_dead_letters(JournalScope(tmp_path), "picky", query) == 1
    assert DeadLetters(JournalScope(tmp_path), "picky").read() == []
    account = read_ledger(JournalScope(tmp_path)).account("picky")
    assert (account.delivered, account.rejected, account.lost["forgotten"]) == (3, 0, 1)
