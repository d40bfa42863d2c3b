"""Answers from parts and the open tail are what a plain model says, whatever happens meanwhile."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("duckdb")

from flask_chest import Record
from flask_chest.archive.archive import Archive
from flask_chest.archive.archiver import Archiver
from flask_chest.archive.reader import ArchiveReader
from flask_chest.archive.storage import FolderStorage
from flask_chest.query.time_intervals import HOUR

from ..chests.sql.helpers import make_sqlite_chest, open_reader
from ..meaning.asking import check
from ..meaning.model import Question
from ..meaning.questions import worlds

QUESTIONS = 4
STEPS = st.lists(
    st.sampled_from(("write", "late", "archive", "archive half", "prune", "erase")),
    min_size=4,
    max_size=8,
)


class Life:
    """One store with an archive, and its records as a plain list.

    :param chest: an empty chest.
    :param archive: an empty archive.
    :param records: the records that are written, in turn.
    """

    def __init__(self, chest: Any, archive: Archive, records: list[Record]) -> None:
        self.chest = chest
        self.archive = archive
        self.waiting = list(records)
        self.stored: list[Record] = []
        self.source = chest.archive_source()
        self.source.store_id(create=True)

    def do(self, step: str) -> None:
        """Do one step."""
        if step in ("write", "late"):
            half = len(self.waiting) // 2 + 1
            # The oldest ones first, or last.
            self.waiting.sort(key=lambda each: each.time, reverse=step == "late")
            some, self.waiting = self.waiting[:half], self.waiting[half:]
            self.chest.write(some)
            self.stored += some
        elif step.startswith("archive") and self.stored:
            self._archive(step == "archive half")
        elif step == "prune":
            self._prune()
        elif step == "erase":
            self._erase_open_rows()

    def _archive(self, is_half: bool) -> None:
        times = sorted(each.time.timestamp() for each in self.stored)
        until = times[len(times) // 2] if is_half else time.time()
        assert self.source.acquire_lease()
        run = Archiver(self.archive, self.source, threading.Event())
        for _ in run.run(int(min(until, time.time())) // HOUR * HOUR):
            pass
        self.source.release_lease()

    def _prune(self) -> None:
        """Delete rows that are in a part, as retention does."""
        parts = self.archive.snapshot().parts
        rows = self.archive.rows(parts, "SELECT id FROM parts") if parts else []
        self.source.delete([row[0] for row in rows])

    def _erase_open_rows(self) -> None:
        """Delete a few rows that are in no part."""
        parts = self.archive.snapshot().parts
        rows = self.archive.rows(parts, "SELECT id FROM parts") if parts else []
        archived = {row[0] for row in rows}
        gone = {each.id for each in self.stored if each.id not in archived and each.id[-1] in "05"}
        self.source.delete(sorted(gone))
        self.stored = [each for each in self.stored if each.id not in gone]


@contextmanager
def open_life(folder: Path, records: list[Record]) -> Iterator[tuple[Life, ArchiveReader]]:
    chest = make_sqlite_chest(folder)
    chest.write(records[:0])
    with chest.engine().connect():
        pass  # creates the tables
    archive = Archive(FolderStorage(folder / "archive"))
    life = Life(chest, archive, records)
    reader = ArchiveReader(archive, chest.archive_source(), open_reader(chest))
    reader.fresh_seconds = 0
    reader._RECHECK = -1
    try:
        yield life, reader
    finally:
        reader.close()
        life.source.close()
        chest.close()


EXAMPLES = int(os.environ.get("CHEST_TEST_QUESTIONS", "0")) // QUESTIONS // 6


def test_random_questions() -> None:
    """After each step of any order, the answers are the model's."""

    @settings(
        max_examples=EXAMPLES or 5,
        deadline=None,
        derandomize=not EXAMPLES,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    @given(worlds(QUESTIONS), STEPS)
    def ask(world: tuple[list[Record], list[Question]], steps: list[str]) -> None:
        records, questions = world
        with (
            tempfile.TemporaryDirectory() as folder,
            open_life(Path(folder), records) as (life, reader),
        ):
            for number, step in enumerate(steps):
                life.do(step)
                check(reader, life.stored, questions[number % QUESTIONS])

    ask()


def test_no_archive_yet(tmp_path: Path) -> None:
    """Before anything was recorded, every result is empty."""
    records: list[Record] = []
    with open_life(tmp_path, records) as (_, reader):
        assert reader.latest(5) == reader.find("x") == []
        assert reader.ids_after("") == set()
