"""Hours and days are summed up, old records go, and one process at a time does it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest import FlaskChest, FlaskChestSQLite, Record
from flask_chest.chests.base import AppInfo
from flask_chest.chests.sql.maintenance import prune
from flask_chest.chests.sql.rollups.job import RollupJob
from flask_chest.chests.sql.rollups.lease import Lease
from flask_chest.chests.sql.schema import SCHEMA_VERSION
from flask_chest.delivery import worker
from flask_chest.errors import ReadError
from flask_chest.operations.retention import Maintenance
from flask_chest.query.fields import parse_field
from flask_chest.query.query import Query

from ..chests.sql.test_sqlite import VERSION_1
from ..servers.mariadb import MariaDB
from ..servers.postgresql import PostgreSQL
from .suite import (
    DAYS,
    check_huge,
    check_late,
    check_upkeep,
    days_of_records,
    keep,
    long_query,
    now,
    reader_of,
)


@pytest.fixture
def chest(tmp_path: Path) -> FlaskChestSQLite:
    chest = FlaskChestSQLite()
    chest.bind(AppInfo(instance_path=tmp_path, timeout=60))
    return chest


def ask(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "chest.db")) as connection:
        return connection.execute(query).fetchall()


def test_sums_outlive_records(chest: FlaskChestSQLite) -> None:
    """What a long range amounts to is the same before and after its records are gone."""
    check_upkeep(chest)


@pytest.mark.server
@pytest.mark.parametrize("server", [PostgreSQL, MariaDB])
def test_sums_outlive_records_on_a_server(server: Callable[[], Any]) -> None:
    """The same in the databases that are servers."""
    from flask_chest.chests.registry import make_chest

    with server() as running:
        chest: Any = make_chest(running.url)
        check_upkeep(chest)
        huge: Any = make_chest({"url": running.url, "table": "huge"})
        check_huge(huge)


def test_sums_of_huge_numbers(chest: FlaskChestSQLite) -> None:
    """What two requests put on ``g`` ends neither an answer nor the upkeep of everything."""
    check_huge(chest)


def test_sums_of_what_few_requests_have(chest: FlaskChestSQLite) -> None:
    """A variable of one route is summed up, however busy all others were after it."""
    hour = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
    paid = [
        Record(id=f"a{number}", time=hour, route="/pay", vars={"total": 2.5})
        for number in range(20)
    ]
    visits = [
        Record(id=f"b{number}", time=hour + timedelta(seconds=number + 1), route="/")
        for number in range(900)
    ]
    chest.write(paid + visits)
    keep(chest, timedelta(days=1))
    reader = reader_of(chest)
    query = replace(long_query(now()), measure=parse_field("total"))
    assert reader.count(query) == 0
    assert reader.answer(query).whole.total == 50
    reader.close()
    chest.close()


def test_records_that_come_late(chest: FlaskChestSQLite) -> None:
    """An hour that was summed up is summed up anew when more of its records arrive."""
    end = now()
    records = list(days_of_records(end, 2))
    chest.write(records[::2])
    keep(chest)
    chest.write(records)
    keep(chest)
    reader = reader_of(chest)
    assert reader.answer(long_query(end)).whole.rows == 400
    reader.close()
    chest.close()


def test_records_that_come_days_late(chest: FlaskChestSQLite) -> None:
    """From a machine that was cut off, or imported: their hours are summed up all the same."""
    check_late(chest)


@pytest.mark.server
@pytest.mark.parametrize("server", [PostgreSQL, MariaDB])
def test_records_that_come_days_late_on_a_server(server: Callable[[], Any]) -> None:
    """The same in the databases that are servers."""
    from flask_chest.chests.registry import make_chest

    with server() as running:
        chest: Any = make_chest(running.url)
        check_late(chest)


def test_late_records_that_nobody_can_be_told_of(
    chest: FlaskChestSQLite, caplog: pytest.LogCaptureFixture
) -> None:
    """They are stored all the same, and not sent again and again."""
    chest.write(list(days_of_records(now(), 1)))
    with chest.engine().begin() as connection:
        connection.exec_driver_sql("DROP TABLE chest_upkeep")
    chest.write(list(days_of_records(now() - timedelta(days=9), 1)))
    assert (
        "no such table: chest_upkeep; rollups lack records that were delivered days late"
        in caplog.text
    )
    chest.close()


def test_records_that_come_while_late_ones_are_summed_up(
    chest: FlaskChestSQLite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked for the next time."""
    end = now()
    first, second = (list(days_of_records(end - timedelta(days=days), 1)) for days in (30, 20))
    chest.write(list(days_of_records(end, 1)))
    keep(chest)
    chest.write(first)
    stale_days = RollupJob.stale_days

    def write_meanwhile(roller: RollupJob) -> list[int]:
        monkeypatch.undo()
        chest.write(second)
        return stale_days(roller)

    monkeypatch.setattr(RollupJob, "stale_days", write_meanwhile)
    query = Query(since=end - timedelta(days=40), until=end)
    reader = reader_of(chest)
    keep(chest)
    assert reader.answer(query).whole.rows == 400
    keep(chest)
    assert reader.answer(query).whole.rows == 600
    assert ask(tmp_path, "SELECT count(*) FROM chest_upkeep") == [(1,)], "there is none left"
    reader.close()
    chest.close()


def test_records_that_come_too_late_to_be_kept(chest: FlaskChestSQLite) -> None:
    """Those older than the retention are in the sums before they go."""
    end = now()
    chest.write(list(days_of_records(end)))
    keep(chest, timedelta(days=30))
    # A journal that waited for days, with hours that nobody has summed up.
    late = [
        replace(each, id=f"{each.id[:12]}a{each.id[13:]}", time=each.time - timedelta(hours=12))
        for each in days_of_records(end)
    ]
    chest.write(late)
    keep(chest, timedelta(days=1))
    reader = reader_of(chest)
    found = reader.answer(long_query(end)).whole
    assert found.rows == 2 * DAYS * 200
    reader.close()
    chest.close()


def test_hours_go_days_stay(chest: FlaskChestSQLite, tmp_path: Path) -> None:
    """Sums of hours are kept for some months, those of days for ever."""
    chest.write(list(days_of_records(now() - timedelta(days=100))))
    keep(chest)
    steps = ask(tmp_path, "SELECT DISTINCT step FROM chest_records_rollups")
    assert steps == [(86_400,)]
    keep(chest, timedelta(days=1))
    assert ask(tmp_path, "SELECT DISTINCT step FROM chest_records_rollups") == steps
    assert ask(tmp_path, "SELECT count(*) FROM chest_records") == [(0,)]
    [(rows,)] = ask(tmp_path, "SELECT sum(row_count) FROM chest_records_rollups WHERE step = 86400")
    assert rows == DAYS * 200
    chest.close()


def test_days_tell_what_hours_told(chest: FlaskChestSQLite) -> None:
    """Where only sums of days are left, intervals are days, and nothing is missing."""
    end = now() - timedelta(days=100)
    chest.write(list(days_of_records(end)))
    keep(chest)
    query = Query(since=midnight(end) - timedelta(days=DAYS + 1), until=midnight(now()))
    few = replace(query, until=query.since + timedelta(days=20))
    reader = reader_of(chest)
    assert reader.series(few, 21_600).step == 21_600, "the records are there still"
    keep(chest, timedelta(days=1))
    for question, step in ((few, 21_600), (query, 7 * 86_400)):
        series = reader.series(question, step)
        assert series.step == max(step, 86_400)
        assert sum(each.rows for each in series.lines[None]) == DAYS * 200
        assert reader.answer(question).whole.rows == DAYS * 200
    reader.close()
    chest.close()


def midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def test_one_process_at_a_time(chest: FlaskChestSQLite) -> None:
    """Who comes second does nothing; who died is followed by another; a clock may jump."""
    chest.write(list(days_of_records(now())))
    engine = chest.engine()
    first, second = Lease(chest, engine), Lease(chest, engine)
    assert first.acquire()
    assert first.acquire(), "it is renewed"
    assert not second.acquire()
    with pytest.raises(ReadError, match="another process is pruning it; try again later"):
        list(prune(chest, now(), threading.Event()))
    keep(chest)
    assert second.rolled_until == 0
    first.release()
    assert second.acquire()
    for held_until in ("0", "99999999999"):
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE chest_upkeep SET held_until = {held_until}")
        assert first.acquire()
    chest.close()


def test_a_clock_that_was_ahead(chest: FlaskChestSQLite, tmp_path: Path) -> None:
    """What was noted then does not keep later hours from being summed up, or from being found."""
    end = now()
    records = list(days_of_records(end, 2))
    chest.write(records[::2])
    keep(chest)
    with chest.engine().begin() as connection:
        connection.exec_driver_sql("UPDATE chest_upkeep SET rolled_until = rolled_until + 99999999")
    chest.write(records)
    keep(chest)
    [(noted,)] = ask(tmp_path, "SELECT rolled_until FROM chest_upkeep")
    assert noted <= end.timestamp()
    reader = reader_of(chest)
    later = long_query(end + timedelta(days=400))
    assert reader.answer(replace(later, since=end - timedelta(days=5))).whole.rows == 400
    reader.close()
    chest.close()


def test_it_stops_when_the_process_ends(chest: FlaskChestSQLite, tmp_path: Path) -> None:
    """Between two batches; the next process goes on from there."""
    chest.write(list(days_of_records(now() - timedelta(days=2), 3)))
    ended = threading.Event()
    batches = prune(chest, now() - timedelta(days=1), ended)
    assert next(batches) == 500
    ended.set()
    assert list(batches) == []
    assert ask(tmp_path, "SELECT count(*) FROM chest_records") == [(100,)]
    assert sum(prune(chest, now() - timedelta(days=1), threading.Event())) == 100
    chest.close()


def test_a_store_that_is_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, and tried again the next time."""
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    chest = FlaskChestSQLite()
    chest.bind(AppInfo(instance_path=tmp_path, timeout=1))
    looking = Maintenance([chest], 3600)
    for _ in range(3):
        looking.run(threading.Event())
    [told] = caplog.records
    assert told.levelno == logging.WARNING
    assert told.getMessage().startswith("maintenance is postponed: chest 'sqlite' at")


def test_nothing_is_made_before_the_first_record(chest: FlaskChestSQLite, tmp_path: Path) -> None:
    """A store that nothing was delivered to has nothing to look after."""
    keep(chest, timedelta(days=1))
    assert list(prune(chest, now(), threading.Event())) == []
    assert list(tmp_path.iterdir()) == []


def test_the_exporter_sees_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an app that serves, it happens beside deliveries, without anybody asking."""
    monkeypatch.setattr(worker, "_MAINTENANCE_INTERVAL", 0.05)
    done = threading.Event()
    real = Maintenance.run

    def run(self: Maintenance, ended: threading.Event) -> None:
        real(self, ended)
        with closing(sqlite3.connect(tmp_path / "chest.db")) as connection:
            [(left,)] = connection.execute("SELECT count(*) FROM chest_records").fetchall()
        if left == 1:
            done.set()

    monkeypatch.setattr(Maintenance, "run", run)
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["CHEST_RETENTION"] = "1 day"
    extension = FlaskChest(app)
    chest: Any = extension.of(app).chests[0]
    chest.write(list(days_of_records(now() - timedelta(days=2))))
    app.test_client().get("/")
    assert extension.flush(60)
    assert done.wait(60)
    extension.close()


def test_a_database_of_version_1(tmp_path: Path) -> None:
    """It gets the tables of sums with the first write, and keeps its records."""
    with closing(sqlite3.connect(tmp_path / "chest.db")) as connection:
        connection.executescript(VERSION_1)
    chest = FlaskChestSQLite()
    chest.bind(AppInfo(instance_path=tmp_path, timeout=60))
    reader = reader_of(chest)
    assert reader.answer(long_query(now())).whole.rows <= 1, "it can be read as it is"
    chest.write(list(days_of_records(now())))
    keep(chest)
    assert reader.answer(long_query(now())).whole.rows >= DAYS * 200
    assert ask(tmp_path, "SELECT version FROM chest_schema") == [(SCHEMA_VERSION,)]
    reader.close()
    chest.close()
