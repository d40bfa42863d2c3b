"""What is erased is in no file: not in the store, its figures, its logs, nor in the journal."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from flask import Flask, g

from flask_chest import FlaskChest, Record
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.cli import chest as chest_group
from flask_chest.query.fields import parse_field
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query

from ..chests.sql.helpers import make_sqlite_chest, open_reader
from ..chests.sql.rollups.suite import maintain

SALARY = 8_675_309
HOUR = timedelta(hours=1)


def make_app(folder: Path) -> Flask:
    app = Flask("payroll", instance_path=str(folder))
    app.config["CHEST_EXPORT_INTERVAL"] = 0.05

    @app.get("/<int:user_id>/<int:salary>")
    def pay(user_id: int, salary: int) -> str:
        g.user_id, g.salary = user_id, salary
        return "paid"

    return app


def files_with(folder: Path, text: str) -> list[str]:
    """The files under a folder whose bytes hold a text."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if text.encode() in path.read_bytes()]


def forget(app: Flask, *arguments: str) -> str:
    result = app.test_cli_runner().invoke(chest_group, ["forget", "--yes", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_an_erased_value_is_in_no_file(tmp_path: Path) -> None:
    """While the app goes on: no byte of it is left under the instance folder."""
    app = make_app(tmp_path)
    chest = FlaskChest(app)
    client = app.test_client()
    for user in (41, 42, 43):
        client.get(f"/{user}/{SALARY if user == 42 else 1}")
    assert chest.flush(10)
    assert files_with(tmp_path, str(SALARY)), "it was there"
    output = forget(app, "--where", "user_id=42")
    assert "sqlite: 1 erased" in output
    assert "journal: 1 delivered records overwritten" in output
    assert files_with(tmp_path, str(SALARY)) == []
    # The journal is as usable as before, and the other records are still there.
    client.get("/44/2")
    assert chest.flush(10)
    chest.close()
    reader = open_reader(make_sqlite_chest(tmp_path))
    assert {record.vars["user_id"] for record in reader.latest(10)} == {41, 43, 44}
    reader.close()


def old_record(number: int, hour: datetime, **variables: int) -> Record:
    time = hour + timedelta(seconds=number)
    identity = f"{int(time.timestamp() * 1000):012x}7{number:019x}"
    return Record(id=identity, time=time, route="/pay", vars={"user_id": number, **variables})


@pytest.fixture
def hour() -> datetime:
    return datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) - 60 * HOUR


@pytest.fixture
def chest(tmp_path: Path) -> FlaskChestSQLite:
    return make_sqlite_chest(tmp_path)


def of_salary(hour: datetime) -> Query:
    end = datetime.now(timezone.utc)
    return Query(since=hour - timedelta(days=5), until=end, measure=parse_field("salary"))


def erase(chest: FlaskChestSQLite, user: int, hour: datetime) -> None:
    reader, eraser = open_reader(chest), chest.eraser()
    records = reader.page(of_salary(hour).filtered(parse_filter(f"user_id={user}")))
    assert eraser.erase([record.id for record in records]) == len(records) > 0
    assert eraser.finish() == []
    eraser.close()
    reader.close()


def test_figures_forget_a_person_too(
    chest: FlaskChestSQLite, tmp_path: Path, hour: datetime
) -> None:
    """After rollups were made: sums no longer count the person, before and after pruning."""
    chest.write([old_record(number, hour, salary=10 * number) for number in range(1, 5)])
    chest.write([old_record(42, hour, salary=SALARY)])
    maintain(chest)
    reader = open_reader(chest)
    assert reader.answer(of_salary(hour)).whole.total == 100 + SALARY
    erase(chest, 42, hour)
    assert reader.answer(of_salary(hour)).whole.total == 100
    assert files_with(tmp_path, str(SALARY)) == []
    maintain(chest, timedelta(days=1))
    whole = reader.answer(of_salary(hour)).whole
    assert (whole.rows, whole.total, whole.high) == (4, 100, None)
    reader.close()
    chest.close()


def test_no_extreme_outlives_its_request(
    chest: FlaskChestSQLite, tmp_path: Path, hour: datetime
) -> None:
    """Retention deletes the greatest value with its request: only the sum is left."""
    chest.write([old_record(number, hour, salary=10) for number in range(4)])
    chest.write([old_record(42, hour, salary=SALARY)])
    maintain(chest, timedelta(days=1))
    assert files_with(tmp_path, str(SALARY)) == []
    chest.close()


def test_late_records_after_an_erasure(chest: FlaskChestSQLite, hour: datetime) -> None:
    """Records that come late to an hour of which some were erased are counted."""
    chest.write([old_record(number, hour, salary=1) for number in range(10)])
    maintain(chest)
    reader = open_reader(chest)
    erase(chest, 3, hour)
    chest.write([old_record(number, hour, salary=1) for number in range(20, 23)])
    for _ in range(2):
        assert reader.answer(of_salary(hour)).whole.rows == 12
        maintain(chest)
    reader.close()
    chest.close()


def test_import_of_more_than_was_pruned(chest: FlaskChestSQLite, hour: datetime) -> None:
    """Five pruned and eight imported records of one hour are thirteen."""
    chest.write([old_record(number, hour, salary=1) for number in range(5)])
    maintain(chest, timedelta(days=1))
    reader = open_reader(chest)
    assert reader.answer(of_salary(hour)).whole.rows == 5
    chest.write([old_record(number, hour, salary=1) for number in range(10, 18)])
    for retention in (None, None, timedelta(days=1)):
        whole = reader.answer(of_salary(hour)).whole
        assert (whole.rows, whole.total) == (13, 13)
        maintain(chest, retention)
    assert reader.answer(of_salary(hour)).whole.rows == 13
    reader.close()
    chest.close()


def test_one_record_of_1970(chest: FlaskChestSQLite, hour: datetime) -> None:
    """A record with a wrong time hides no pruned ones."""
    chest.write([old_record(number, hour, salary=1) for number in range(6)])
    maintain(chest, timedelta(days=1))
    wrong = datetime(1970, 1, 2, tzinfo=timezone.utc)
    chest.write([old_record(1, wrong, salary=1)])
    reader = open_reader(chest)
    for _ in range(2):
        assert reader.answer(of_salary(hour)).whole.rows == 6
        maintain(chest)
    reader.close()
    chest.close()


def test_pruning_that_was_interrupted(chest: FlaskChestSQLite, hour: datetime) -> None:
    """Records that are counted as pruned and still stored are counted once, and deleted next."""
    chest.write([old_record(number, hour, salary=1) for number in range(700)])
    maintain(chest)
    stop = threading.Event()
    batches = chest.prune(datetime.now(timezone.utc) - timedelta(days=1), stop)
    assert next(batches) == 500
    batches.close()  # type: ignore[attr-defined]
    reader = open_reader(chest)
    assert reader.answer(of_salary(hour)).whole.rows == 700
    maintain(chest)
    assert reader.count(of_salary(hour)) == 0
    assert reader.answer(of_salary(hour)).whole.rows == 700
    reader.close()
    chest.close()
