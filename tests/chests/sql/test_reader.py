"""Reading SQLite, and what all readers share."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from flask_chest import FlaskChestSQLite
from flask_chest.chests.base import AppInfo
from flask_chest.chests.sql import table_reader
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.errors import ReadError
from flask_chest.query import time_slices as slices
from flask_chest.query.fields import parse_field
from flask_chest.query.filters import parse_filter
from flask_chest.record.encoding import EPOCH

from ...query.records import END, many
from ...query.suite import WHOLE, check_estimates, check_reader


def chest_in(folder: Path) -> FlaskChestSQLite:
    chest = FlaskChestSQLite()
    chest.bind(AppInfo(instance_path=folder, timeout=60))
    return chest


def test_finds_everything(tmp_path: Path) -> None:
    """It passes the suite that every reader must pass."""
    check_reader(chest_in(tmp_path))


def test_estimates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices are looked up, whatever else is asked for."""
    check_estimates(chest_in(tmp_path), monkeypatch)


def test_without_functions_of_mathematics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older builds of SQLite know no logarithm; percentiles are the same."""
    real = sqlite3.connect

    class Old(sqlite3.Connection):
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if statement == "SELECT ln(1)":
                raise sqlite3.OperationalError("no such function: ln")
            return super().execute(statement, *arguments)

    chest = chest_in(tmp_path)
    chest.write(many())
    chest.close()
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=Old))
    reader = SQLReader(chest)
    assert reader.answer(WHOLE).whole.percentiles[0] == pytest.approx(33, rel=0.2)


def test_looking_makes_no_database(tmp_path: Path) -> None:
    """A reader of a database that is not there leaves none behind."""
    reader = SQLReader(chest_in(tmp_path / "nowhere"))
    assert reader.latest(1) == []
    reader.close()
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_file(tmp_path: Path) -> None:
    """What cannot be read is told with its place, and nothing of what is stored."""
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    reader = SQLReader(chest_in(tmp_path))
    with pytest.raises(ReadError, match=r"chest 'sqlite' at .*chest\.db: DatabaseError"):
        reader.latest(1)


def test_a_writer_does_not_wait(tmp_path: Path) -> None:
    """Records are written while others are being read, page by page."""
    chest = chest_in(tmp_path)
    records = many()
    chest.write(records[300:])
    reader = SQLReader(chest)
    walking = reader.iter_records(WHOLE, page=10)
    first = [next(walking) for _ in range(5)]
    done = threading.Event()

    def write() -> None:
        chest.write(records[:300])
        done.set()

    threading.Thread(target=write, daemon=True).start()
    assert done.wait(60)
    assert first + list(walking) == records[::-1]
    chest.close()


def test_reads_only(tmp_path: Path) -> None:
    """Nothing can be written over a reader's connection."""
    chest = chest_in(tmp_path)
    chest.write(many(3))
    with (
        closing(chest.make_read_only_engine().raw_connection()) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM chest_records")
    chest.close()


def test_more_records_than_can_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then figures are estimated from slices of the range, and the answer says so."""
    chest = chest_in(tmp_path)
    chest.write(many(6000))
    chest.close()
    monkeypatch.setattr(SQLReader, "max_records", 1000)
    monkeypatch.setattr(SQLReader, "sample_size", 1000)
    reader = SQLReader(chest)
    answer = reader.answer(WHOLE.grouped(parse_field("method")))
    assert answer.fraction < 1
    assert answer.whole.rows <= 1000
    assert answer.whole.count == pytest.approx(9000, rel=0.1)
    assert {group.key for group in answer.groups} == {"GET", "POST"}
    assert not answer.is_scattered
    assert reader.answer(WHOLE.grouped(parse_field("unique"))).is_scattered
    series = reader.series(WHOLE, 3600)
    assert sum(each.count for each in series.lines[None]) == pytest.approx(9000, rel=0.1)
    # Nor does it matter how much of the range is empty.
    ever = replace(WHOLE, since=EPOCH, until=datetime(9999, 1, 1, tzinfo=timezone.utc))
    assert reader.answer(ever).whole.count == pytest.approx(9000, rel=0.1)
    # A page, a walk, a count and a single request are never estimates.
    assert reader.answer(WHOLE.filtered(parse_filter("request_id=request-7"))).whole.rows == 1
    assert reader.count(WHOLE) == 6000


def test_a_variable_with_very_many_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most frequent values are told, the others are counted together."""
    chest = chest_in(tmp_path)
    chest.write(many())
    chest.close()
    monkeypatch.setattr(table_reader, "MAX_ROWS", 100)
    reader = SQLReader(chest)
    answer = reader.answer(WHOLE.grouped(parse_field("unique")), limit=5)
    assert len(answer.groups) == 5
    assert not answer.complete
    assert answer.whole.rows == 600
    assert answer.whole.count == pytest.approx(900)


def test_many_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of ranges that were asked for lately are remembered, and not for ever."""
    chest = chest_in(tmp_path)
    chest.write(many(2000))
    chest.close()
    monkeypatch.setattr(SQLReader, "max_records", 100)
    monkeypatch.setattr(SQLReader, "sample_size", 100)
    reader = SQLReader(chest)
    ranges = [replace(WHOLE, since=WHOLE.since + timedelta(seconds=n)) for n in range(20)]
    first = [reader.answer(each).whole.rows for each in ranges]
    assert [reader.answer(each).whole.rows for each in ranges] == first
    assert max(first) <= 100


def test_slices_are_spread_over_the_range() -> None:
    """They lie within the range, in order, and make up their share of it."""
    year = END - timedelta(days=365), END
    chosen = slices.choose_slices(
        *year, lambda part, limit: int(10_000_000 * part.fraction), lambda: year
    )
    assert chosen.fraction == 2.0**-11
    assert all(begin < end for begin, end in chosen.ranges)
    assert all(
        before[1] < after[0]
        for before, after in zip(chosen.ranges, chosen.ranges[1:], strict=False)
    )
    length = sum((end - begin).total_seconds() for begin, end in chosen.ranges)
    assert length == pytest.approx(365 * 86400 * chosen.fraction)


def test_a_moment_is_not_sliced() -> None:
    """Of records that all have one time, slices would find all or none."""
    year = END - timedelta(days=365), END
    chosen = slices.choose_slices(*year, lambda part, limit: limit, lambda: (END, END))
    assert chosen.fraction == 1
    assert chosen.ranges[0][0] == END


def test_other_chests_cannot_be_read() -> None:
    """A chest that only takes has no reader."""
    from flask_chest.chests.memory import MemoryChest

    assert MemoryChest().reader() is None
