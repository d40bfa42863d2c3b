"""The rollup job: hours and days, late variables, clocks that jump."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flask_chest import FlaskChestSQLite, Record
from flask_chest.chests.factory import make_chest
from flask_chest.query.fields import parse_field
from flask_chest.query.query import Query

from ....servers.mariadb import MariaDB
from ....servers.postgresql import PostgreSQL
from ..helpers import open_reader, query_file
from .suite import (
    DAYS,
    check_overflow,
    check_rollups,
    check_variable_of_old_requests,
    days_of_records,
    long_query,
    maintain,
    now,
)


def test_rollups_outlive_records(chest: FlaskChestSQLite) -> None:
    """A long range has the same answers before and after its records were pruned."""
    check_rollups(chest)


@pytest.mark.server
@pytest.mark.parametrize("server", [PostgreSQL, MariaDB])
def test_rollups_outlive_records_on_a_server(server: Callable[[], Any]) -> None:
    """PostgreSQL and MariaDB pass the same checks."""
    with server() as running:
        chest: Any = make_chest(running.url)
        check_rollups(chest)
        other: Any = make_chest({"url": running.url, "table": "huge"})
        check_overflow(other)


def test_values_whose_sum_overflows(chest: FlaskChestSQLite) -> None:
    """Two huge values on ``g`` break neither an answer nor the maintenance."""
    check_overflow(chest)


def test_variable_of_few_requests(chest: FlaskChestSQLite) -> None:
    """A variable of one rare route is rolled up, also if other routes had newer requests."""
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
    maintain(chest, timedelta(days=1))
    reader = open_reader(chest)
    query = replace(long_query(now()), measure=parse_field("total"))
    assert reader.count(query) == 0
    assert reader.answer(query).whole.total == 50
    reader.close()
    chest.close()


def test_variable_of_old_requests(chest: FlaskChestSQLite) -> None:
    """A variable is rolled up, also if 600 newer requests of its route and hour lack it."""
    check_variable_of_old_requests(chest)


@pytest.mark.server
@pytest.mark.parametrize("server", [PostgreSQL, MariaDB])
def test_variable_of_old_requests_on_a_server(server: Callable[[], Any]) -> None:
    """PostgreSQL and MariaDB pass the same check."""
    with server() as running:
        chest: Any = make_chest(running.url)
        check_variable_of_old_requests(chest)


def test_rollups_of_hours_expire(chest: FlaskChestSQLite, tmp_path: Path) -> None:
    """Rollups of hours are kept for 90 days, rollups of days forever."""
    file = tmp_path / "chest.db"
    chest.write(list(days_of_records(now() - timedelta(days=100))))
    maintain(chest)
    steps = query_file(file, "SELECT DISTINCT step FROM chest_records_rollups")
    assert steps == [(86_400,)]
    maintain(chest, timedelta(days=1))
    assert query_file(file, "SELECT DISTINCT step FROM chest_records_rollups") == steps
    assert query_file(file, "SELECT count(*) FROM chest_records") == [(0,)]
    counts = "SELECT sum(row_count) FROM chest_records_rollups WHERE step = 86400"
    assert query_file(file, counts) == [(DAYS * 200,)]
    chest.close()


def test_rollups_of_days_answer_after_hours_expired(chest: FlaskChestSQLite) -> None:
    """If only rollups of days are left, intervals are days and no record is missing."""
    end = now() - timedelta(days=100)
    chest.write(list(days_of_records(end)))
    maintain(chest)
    query = Query(since=_midnight(end) - timedelta(days=DAYS + 1), until=_midnight(now()))
    short = replace(query, until=query.since + timedelta(days=20))
    reader = open_reader(chest)
    assert reader.series(short, 21_600).step == 21_600, "the records still exist"
    maintain(chest, timedelta(days=1))
    for each, step in ((short, 21_600), (query, 7 * 86_400)):
        series = reader.series(each, step)
        assert series.step == max(step, 86_400)
        assert sum(summary.rows for summary in series.lines[None]) == DAYS * 200
        assert reader.answer(each).whole.rows == DAYS * 200
    reader.close()
    chest.close()


def test_clock_that_was_ahead(chest: FlaskChestSQLite, tmp_path: Path) -> None:
    """A saved end of rollups in the future does not stop later rollups, nor answers."""
    end = now()
    records = list(days_of_records(end, 2))
    chest.write(records[::2])
    maintain(chest)
    with chest.engine().begin() as connection:
        connection.exec_driver_sql("UPDATE chest_upkeep SET rolled_until = rolled_until + 99999999")
    chest.write(records)
    maintain(chest)
    [(rolled_until,)] = query_file(tmp_path / "chest.db", "SELECT rolled_until FROM chest_upkeep")
    assert rolled_until <= end.timestamp()
    reader = open_reader(chest)
    query = replace(long_query(end + timedelta(days=400)), since=end - timedelta(days=5))
    assert reader.answer(query).whole.rows == 400
    reader.close()
    chest.close()


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
