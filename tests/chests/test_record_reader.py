"""A reader that computes its answers from records, in a user's own chest."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from flask_chest import Chest, Record
from flask_chest.chests.eraser import Eraser
from flask_chest.chests.reader import Reader
from flask_chest.chests.record_reader import RecordReader
from flask_chest.testing import make_records

from ..cli.shop import deliver, make_shop, run
from ..query.suite import check_reader


class ListChest(Chest):
    """A user's own chest: it keeps records in a list, reads them back and deletes them."""

    scheme = "list"

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        stored = {record.id for record in self.records}
        self.records += [record for record in records if record.id not in stored]

    def reader(self) -> Reader:
        return ListReader(self)

    def eraser(self) -> Eraser:
        return ListEraser(self)


class ListReader(RecordReader):
    """Reads the list."""

    def __init__(self, chest: ListChest) -> None:
        super().__init__(chest.name)
        self._chest = chest

    def records_between(self, since: datetime, until: datetime) -> Iterable[Record]:
        return self._chest.records


class ListEraser(Eraser):
    """Deletes from the list."""

    def __init__(self, chest: ListChest) -> None:
        self._chest = chest

    def erase(self, ids: Sequence[str]) -> int:
        before = len(self._chest.records)
        self._chest.records = [each for each in self._chest.records if each.id not in set(ids)]
        return before - len(self._chest.records)

    def prune(self, before: datetime) -> Iterator[int]:
        for record in [each for each in self._chest.records if each.time < before]:
            yield self.erase([record.id])

    def close(self) -> None:
        pass


def test_answers() -> None:
    """The reader passes the suite that the readers of all stores must pass."""
    check_reader(ListChest())


def test_stats_and_prune(tmp_path: Path) -> None:
    """``flask chest stats`` reads a user's own chest, and ``flask chest prune`` deletes from it."""
    chest = ListChest()
    app = make_shop(tmp_path, CHEST_CHESTS=[chest])
    app.test_client().get("/")
    deliver(app)
    old = datetime.now(timezone.utc) - timedelta(days=40)
    chest.write([replace(record, time=old) for record in make_records(3)])
    answer = json.loads(run(app, "stats", "--by", "user_id", "--json").stdout)
    assert [(group["key"], group["count"]) for group in answer["groups"]] == [("42", 1)]
    deleted = run(app, "prune", "--older-than", "30 days", "--yes").stdout
    assert deleted == "list: 3 deleted\n"
    assert [record.route for record in chest.records] == ["/"]


def test_prune_stops() -> None:
    """``Chest.prune`` yields the size of each batch, and stops after the current batch."""
    chest = ListChest()
    chest.write(make_records(3))
    stop = threading.Event()
    deleted = chest.prune(datetime.now(timezone.utc) + timedelta(days=1), stop)
    assert next(deleted) == 1
    stop.set()
    assert list(deleted) == []
    assert len(chest.records) == 2
