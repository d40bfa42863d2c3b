"""Records that arrive after their hour was rolled up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flask_chest import FlaskChestSQLite
from flask_chest.chests.factory import make_chest
from flask_chest.chests.sql.rollups.rollup_job import RollupJob
from flask_chest.query.query import Query

from ....servers.mariadb import MariaDB
from ....servers.postgresql import PostgreSQL
from ..helpers import open_reader, query_file
from .suite import DAYS, check_late_records, days_of_records, long_query, maintain, now


def test_hours_late(chest: FlaskChestSQLite) -> None:
    """An hour is rolled up again if more of its records arrived."""
    end = now()
    records = list(days_of_records(end, 2))
    chest.write(records[::2])
    maintain(chest)
    chest.write(records)
    maintain(chest)
    reader = open_reader(chest)
    assert reader.answer(long_query(end)).whole.rows == 400
    reader.close()
    chest.close()


def test_days_late(chest: FlaskChestSQLite) -> None:
    """Hours are rolled up again if a disconnected machine or an import delivers days later."""
    check_late_records(chest)


@pytest.mark.server
@pytest.mark.parametrize("server", [PostgreSQL, MariaDB])
def test_days_late_on_a_server(server: Callable[[], Any]) -> None:
    """PostgreSQL and MariaDB pass the same checks."""
    with server() as running:
        chest: Any = make_chest(running.url)
        check_late_records(chest)


def test_report_that_fails(chest: FlaskChestSQLite, caplog: pytest.LogCaptureFixture) -> None:
    """If late records cannot be reported, they are stored and a warning is logged."""
    chest.write(list(days_of_records(now(), 1)))
    with chest.engine().begin() as connection:
        connection.exec_driver_sql("DROP TABLE chest_upkeep")
    chest.write(list(days_of_records(now() - timedelta(days=9), 1)))
    message = "no such table: chest_upkeep; rollups lack records that were delivered days late"
    assert message in caplog.text
    chest.close()


def test_report_during_maintenance(
    chest: FlaskChestSQLite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records that are reported as late while the job runs are rolled up by the next run."""
    end = now()
    first, second = (list(days_of_records(end - timedelta(days=days), 1)) for days in (30, 20))
    chest.write(list(days_of_records(end, 1)))
    maintain(chest)
    chest.write(first)
    stale_days = RollupJob.stale_days

    def write_meanwhile(job: RollupJob) -> list[int]:
        monkeypatch.undo()
        chest.write(second)
        return stale_days(job)

    monkeypatch.setattr(RollupJob, "stale_days", write_meanwhile)
    query = Query(since=end - timedelta(days=40), until=end)
    reader = open_reader(chest)
    for _ in range(2):
        maintain(chest)
        assert reader.answer(query).whole.rows == 600
    rows = query_file(tmp_path / "chest.db", "SELECT count(*) FROM chest_upkeep")
    assert rows == [(1,)], "no report is left"
    reader.close()
    chest.close()


def test_older_than_the_retention(chest: FlaskChestSQLite) -> None:
    """Late records beyond the retention are rolled up before they are deleted."""
    end = now()
    chest.write(list(days_of_records(end)))
    maintain(chest, timedelta(days=30))
    # A journal that waited for days has hours without rollups.
    late = [
        replace(each, id=f"{each.id[:12]}a{each.id[13:]}", time=each.time - timedelta(hours=12))
        for each in days_of_records(end)
    ]
    chest.write(late)
    maintain(chest, timedelta(days=1))
    reader = open_reader(chest)
    assert reader.answer(long_query(end)).whole.rows == 2 * DAYS * 200
    reader.close()
    chest.close()
