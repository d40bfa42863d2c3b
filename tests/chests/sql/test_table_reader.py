"""The reader of the table of records, with SQLite."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from flask_chest.chests.sql import table_reader
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.errors import ReadError
from flask_chest.query.fields import parse_field
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.record.json_line import EPOCH

from ...query.records import sample_records
from ...query.suite import WHOLE, check_estimates, check_reader
from .helpers import make_sqlite_chest


def test_common_checks(tmp_path: Path) -> None:
    """The reader passes the checks that all readers pass."""
    check_reader(make_sqlite_chest(tmp_path))


def test_query_plans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries of slices use an index."""
    check_estimates(make_sqlite_chest(tmp_path), monkeypatch)


def test_without_math_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Percentiles work with builds of SQLite that have no logarithm."""
    real = sqlite3.connect

    class Old(sqlite3.Connection):
        def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
            if statement == "SELECT ln(1)":
                raise sqlite3.OperationalError("no such function: ln")
            return super().execute(statement, *arguments)

    chest = make_sqlite_chest(tmp_path)
    chest.write(sample_records())
    chest.close()
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **{**k, "factory": Old}))
    reader = SQLReader(chest)
    assert reader.answer(WHOLE).whole.percentiles[0] == pytest.approx(33, rel=0.2)


def test_missing_file(tmp_path: Path) -> None:
    """A reader of a missing database does not create it."""
    reader = SQLReader(make_sqlite_chest(tmp_path / "nowhere"))
    assert reader.latest(1) == []
    reader.close()
    assert not (tmp_path / "nowhere").exists()


def test_damaged_file(tmp_path: Path) -> None:
    """The error names the chest and its file."""
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    reader = SQLReader(make_sqlite_chest(tmp_path))
    with pytest.raises(ReadError, match=r"chest 'sqlite' at .*chest\.db: DatabaseError"):
        reader.latest(1)


def test_writer_is_not_blocked(tmp_path: Path) -> None:
    """Records are written while other records are read page by page."""
    chest = make_sqlite_chest(tmp_path)
    records = sample_records()
    chest.write(records[300:])
    reader = SQLReader(chest)
    records_read = reader.iter_records(WHOLE, page=10)
    first = [next(records_read) for _ in range(5)]
    done = threading.Event()

    def write() -> None:
        chest.write(records[:300])
        done.set()

    threading.Thread(target=write, daemon=True).start()
    assert done.wait(60)
    assert first + list(records_read) == records[::-1]
    chest.close()


def test_read_only(tmp_path: Path) -> None:
    """A reader's connection cannot write."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample_records(3))
    with (
        closing(chest.make_read_only_engine().raw_connection()) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM chest_records")
    chest.close()


def test_sampling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of many records are estimated from slices, and report it."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample_records(6000))
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
    # The estimate is as good if most of the range is empty.
    all_time = replace(WHOLE, since=EPOCH, until=datetime(9999, 1, 1, tzinfo=timezone.utc))
    assert reader.answer(all_time).whole.count == pytest.approx(9000, rel=0.1)
    # Counts and queries of one request are exact.
    assert reader.answer(WHOLE.filtered(parse_filter("request_id=request-7"))).whole.rows == 1
    assert reader.count(WHOLE) == 6000


def test_many_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The biggest groups are listed, and the others are aggregated together."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample_records())
    chest.close()
    monkeypatch.setattr(table_reader, "MAX_ROWS", 100)
    reader = SQLReader(chest)
    answer = reader.answer(WHOLE.grouped(parse_field("unique")), limit=5)
    assert len(answer.groups) == 5
    assert not answer.complete
    assert answer.whole.rows == 600
    assert answer.whole.count == pytest.approx(900)


@pytest.mark.parametrize("max_rows", [100, 599, 600, 601])
def test_the_others_of_many_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_rows: int
) -> None:
    """The others have the same aggregates if the groups are too many for one query."""
    chest = make_sqlite_chest(tmp_path)
    chest.write([replace(each, duration_ms=5.0) for each in sample_records()])
    chest.close()
    reader = SQLReader(chest)
    query = replace(WHOLE, by=parse_field("unique"), measure=parse_field("balance"))
    expected = reader.answer(query, limit=5).rest
    monkeypatch.setattr(table_reader, "MAX_ROWS", max_rows)
    rest = reader.answer(query, limit=5).rest
    assert rest.low is not None
    assert rest.to_dict(1) == pytest.approx(expected.to_dict(1))
    by_route = replace(query, by=parse_field("route"))
    keys = [group.key for group in reader.answer(by_route, limit=2).groups]
    assert reader.answer(by_route, limit=2).rest.rows == 200, keys


def test_slice_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices of recent ranges are cached, up to a maximum."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample_records(2000))
    chest.close()
    monkeypatch.setattr(SQLReader, "max_records", 100)
    monkeypatch.setattr(SQLReader, "sample_size", 100)
    reader = SQLReader(chest)
    ranges = [replace(WHOLE, since=WHOLE.since + timedelta(seconds=n)) for n in range(20)]
    first = [reader.answer(each).whole.rows for each in ranges]
    assert [reader.answer(each).whole.rows for each in ranges] == first
    assert max(first) <= 100


def test_chest_without_reader() -> None:
    """Chests that cannot be read back have no reader."""
    from flask_chest.chests.memory import MemoryChest

    assert MemoryChest().reader() is None
