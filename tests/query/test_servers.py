"""Readers of PostgreSQL, MariaDB and MongoDB."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from flask_chest import Chest
from flask_chest.chests.base import AppInfo
from flask_chest.chests.factory import make_chest
from flask_chest.chests.mongodb import reader as mongodb
from flask_chest.chests.mongodb.reader import MongoReader
from flask_chest.chests.sql import table_reader
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.chests.sql.server_chest import ServerChest
from flask_chest.errors import ReadError
from flask_chest.query.fields import parse_field
from flask_chest.query.filter_parsing import parse_filter

from ..servers.mariadb import MariaDB
from ..servers.mongodb import MongoDB
from ..servers.postgresql import PostgreSQL
from .records import sample_records
from .suite import WHOLE, check_estimates, check_reader

pytestmark = pytest.mark.server


@pytest.fixture(scope="module", params=[PostgreSQL, MariaDB, MongoDB])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    with request.param() as server:
        yield server


def chest_of(server: Any, table: str) -> Chest:
    name = "collection" if isinstance(server, MongoDB) else "table"
    return make_chest({"url": server.url, name: table})


def test_common_checks(server: Any) -> None:
    """Each reader passes the common checks."""
    check_reader(chest_of(server, "everything"))


def test_sampling(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of many records are estimates, of many groups lists; one request is exact."""
    chest = chest_of(server, "sampled")
    chest.write(sample_records(300))
    monkeypatch.setattr(SQLReader, "max_records", 150)
    monkeypatch.setattr(SQLReader, "sample_size", 150)
    monkeypatch.setattr(MongoReader, "max_records", 150)
    monkeypatch.setattr(MongoReader, "sample_size", 150)
    reader = chest.reader()
    assert reader is not None
    answer = reader.answer(WHOLE.grouped(parse_field("method")))
    assert answer.fraction < 1
    assert answer.whole.rows <= 150
    assert answer.whole.count == pytest.approx(450, rel=0.25)
    series = reader.series(WHOLE, 3600)
    assert sum(each.count for each in series.lines[None]) == pytest.approx(450, rel=0.25)
    one = WHOLE.filtered(parse_filter("request_id=request-7"))
    assert reader.answer(one).whole.rows == 1
    for module in (mongodb, table_reader):
        monkeypatch.setattr(module, "MAX_ROWS", 50)
    many_values = reader.answer(WHOLE.grouped(parse_field("unique")), limit=5)
    assert (len(many_values.groups), many_values.complete) == (5, False)
    reader.close()
    chest.close()


def test_query_plans(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Queries of slices use an index."""
    chest = chest_of(server, "chest_records")
    if not isinstance(chest, ServerChest):
        pytest.skip("for SQL only")
    check_estimates(chest, monkeypatch)


def test_times_are_utc(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are UTC for a user with another time zone."""
    if not isinstance(server, PostgreSQL):
        pytest.skip("only PostgreSQL has time zones of users")
    zone = "?options=-c%20timezone%3DAmerica/St_Johns"
    chest = make_chest({"url": server.url + zone, "table": "with_zone"})
    assert isinstance(chest, ServerChest)
    records = sample_records(6000)
    chest.write(records)
    monkeypatch.setattr(SQLReader, "max_records", 1000)
    monkeypatch.setattr(SQLReader, "sample_size", 1000)
    reader = SQLReader(chest)
    with reader._engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW timezone").scalar() == "America/St_Johns"
    [latest] = reader.latest(1)
    assert latest.time.isoformat() == records[0].time.isoformat()
    slices = reader._sampling.slices(WHOLE)
    assert slices.fraction < 1
    assert {begin.tzinfo for begin, _ in slices.ranges} == {timezone.utc}
    reader.close()
    chest.close()


def test_read_only(server: Any) -> None:
    """A reader's connection cannot write, and its statements have a timeout."""
    chest = chest_of(server, "read_only")
    if not isinstance(chest, ServerChest):
        pytest.skip("MongoDB has no read-only transactions")
    chest.write(sample_records(3))
    engine = chest.make_read_only_engine()
    with (
        engine.connect() as connection,
        pytest.raises(sa.exc.SQLAlchemyError, match=r"(?i)read.only"),
    ):
        connection.execute(sa.delete(chest.records))
    with engine.connect() as connection:
        is_mysql = engine.dialect.name == "mysql"
        variable = "SELECT @@max_statement_time" if is_mysql else "SHOW statement_timeout"
        [(limit,)] = connection.exec_driver_sql(variable).all()
        assert str(limit) in {"10s", "10.000000", "10.0"}
    engine.dispose()
    chest.close()


def test_server_that_is_down(server: Any) -> None:
    """The error names the chest without its password."""
    chest = chest_of(server, "down")
    chest.bind(AppInfo(instance_path=Path(), timeout=1))
    server.stop()
    try:
        reader = chest.reader()
        assert reader is not None
        with pytest.raises(ReadError, match=f"chest '{chest.name}' at") as raised:
            reader.answer(WHOLE)
        assert "secret" not in str(raised.value)
        reader.close()
    finally:
        server.start()
