"""``CHEST_MEASURE = ["sqlalchemy"]``: counts, times, the slowest statement and the N+1 hint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateTable

from ..apps import Site


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    yield made
    made.dispose()  # Python 3.13 warns of connections that nobody closed


def test_statements(make_site: Callable[..., Site], engine: Engine) -> None:
    """The record has no parameter and no literal; a request without statements has nothing."""
    site = make_site(CHEST_MEASURE=["sqlalchemy"])

    @site.app.get("/")
    def view() -> str:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
            slow = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)"
            statement = text(f"{slow} select count(*), :password, 'hunter2' from n -- 'hunter2'")
            connection.execute(statement, {"password": "hunter2"})
        return "ok"

    site.app.add_url_rule("/none", "none", lambda: "ok")
    site.client.get("/")
    record = site.take()
    variables: Any = record.vars
    assert variables["db.count"] == 2
    assert 0 < variables["db.slowest_ms"] <= variables["db.ms"] <= record.duration_ms
    assert variables["db.query.text"] == (
        "with recursive n(i) as (select ? union all select i + ? from n where i < ?) "
        "select count(*), ?, ? from n"
    )
    assert "hunter2" not in str(record)
    assert "db.repeated.count" not in variables
    site.client.get("/none")
    assert site.take().vars == {}


def test_the_hint_at_a_query_in_a_loop(make_site: Callable[..., Site], engine: Engine) -> None:
    """The same statement ten times in a request is named, nine times are not."""
    site = make_site(CHEST_MEASURE=["sqlalchemy"])

    @site.app.get("/<int:times>")
    def view(times: int) -> str:
        with engine.connect() as connection:
            connection.execute(text("select 'all'"))
            for number in range(times):
                connection.execute(text("select :id"), {"id": number})
        return "ok"

    site.client.get("/9")
    assert "db.repeated.count" not in site.take().vars
    site.client.get("/10")
    variables = site.take().vars
    assert (variables["db.repeated.count"], variables["db.repeated.text"]) == (10, "select ?")


def test_a_statement_that_fails(make_site: Callable[..., Site], engine: Engine) -> None:
    """It counts once, and the error's parameters are not recorded."""
    site = make_site(CHEST_MEASURE=["sqlalchemy"], CHEST_ERRORS="traceback")

    @site.app.get("/")
    def view() -> str:
        with engine.connect() as connection:
            connection.execute(
                text("select * from missing where x = :password"), {"password": "hunter2"}
            )
        return "never"

    site.client.get("/")
    record = site.only()
    assert record.error == f"sqlalchemy.exc.{OperationalError.__name__}"
    assert record.vars["db.count"] == 1
    assert "no such table: missing" in str(record.vars["exception.message"])
    assert "hunter2" not in str(record)


def test_another_app_and_no_request(
    make_site: Callable[..., Site], engine: Engine, tmp_path: Any
) -> None:
    """A process shares engines: an app without the key, and code outside, measure nothing."""
    make_site(CHEST_MEASURE=["sqlalchemy"])
    site = make_site()

    @site.app.get("/")
    def view() -> str:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        return "ok"

    view()
    site.client.get("/")
    assert site.only().vars == {}


def test_attached_once(make_site: Callable[..., Site], engine: Engine) -> None:
    """Two apps with the key do not count a statement twice; the app's own events still work."""
    make_site(CHEST_MEASURE=["sqlalchemy"])
    site = make_site(CHEST_MEASURE=["sqlalchemy"])
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))

    @site.app.get("/")
    async def view() -> str:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
        await asyncio.sleep(0)
        return "ok"

    site.client.get("/")
    assert site.only().vars["db.count"] == 1
    assert seen == ["select 1"]


def test_listeners_of_the_app(make_site: Callable[..., Site], engine: Engine) -> None:
    """The app's listeners to the same event are called once, and may answer themselves."""
    site = make_site(CHEST_MEASURE=["sqlalchemy"])
    calls: list[str] = []

    def before(*_: Any) -> None:
        calls.append("before")

    def behind(cursor: Any, statement: str, *_: Any) -> bool:
        calls.append("behind")
        cursor.execute("select 'replaced'")
        return True

    event.listen(engine, "do_execute", before)
    event.listen(engine, "do_execute", behind)

    @site.app.get("/")
    def view() -> str:
        with engine.connect() as connection:
            return str(connection.execute(text("select 'original'")).scalar())

    assert site.client.get("/").text == "replaced"
    assert calls == ["before", "behind"]
    assert site.only().vars["db.count"] == 1


def test_every_way_to_execute(make_site: Callable[..., Site], engine: Engine) -> None:
    """Many rows at once, without parameters, with the ORM's inserted values."""
    site = make_site(CHEST_MEASURE=["sqlalchemy"])
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True), Column("a", Integer))

    @site.app.get("/")
    def view() -> str:
        with engine.begin() as connection:
            connection.execute(CreateTable(table))
            connection.execute(table.insert(), [{"a": 1}, {"a": 2}])
            connection.execution_options(no_parameters=True).exec_driver_sql("select 1")
        return "ok"

    assert site.client.get("/").status_code == 200
    assert site.only().vars["db.count"] == 3


def test_many_different_statements(make_site: Callable[..., Site], engine: Engine) -> None:
    """A request that builds thousands of different statements keeps bounded memory."""
    site = make_site(CHEST_MEASURE=["sqlalchemy"])
    sizes: list[int] = []

    @site.app.get("/")
    def view() -> str:
        from flask_chest.capture.current_measurements import current_measurements

        with engine.connect() as connection:
            for number in range(500):
                connection.exec_driver_sql(f"select {number}, '{'x' * 100_000}'")
        measurements = current_measurements()
        assert measurements is not None
        sizes.append(len(measurements.statements))
        sizes.append(max(map(len, measurements.statements)))
        return "ok"

    site.client.get("/")
    assert site.only().vars["db.count"] == 500
    assert sizes == [200, 16_384]
    assert site.only().vars["db.query.text"] == "select ?, ?"
