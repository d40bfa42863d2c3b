"""Tests the heartbeat with a real PostgreSQL, a real Redis and real migrations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from examples.shop import create_app
from flask_chest.dockerflow import Dockerflow
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis
from tests.waiting import wait_until

redis = pytest.importorskip("redis")
flask_migrate = pytest.importorskip("flask_migrate")
flask_sqlalchemy = pytest.importorskip("flask_sqlalchemy")

pytestmark = pytest.mark.server

TIMEOUT = 2.0
# Where nothing shall be late, however busy the machine is.
PATIENCE = 60.0

ALL_OK = {
    "check_database_connected": "ok",
    "check_migrations_applied": "ok",
    "check_redis_connected": "ok",
    "chest": "ok",
}

REVISION = """
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {previous!r}


def upgrade():
    op.create_table("table_{revision}", sa.Column("id", sa.Integer, primary_key=True))


def downgrade():
    op.drop_table("table_{revision}")
"""


# Flask-Migrate's own disables the loggers that exist, and warns.
ENVIRONMENT = """
from alembic import context
from flask import current_app

with current_app.extensions["migrate"].db.engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Redis]:
    with Redis() as server:
        yield server


class Shop:
    """The example shop, with a database, a cache and migrations."""

    def __init__(self, folder: Path) -> None:
        self.app = create_app(str(folder))
        self.db = self.app.extensions["sqlalchemy"]
        self.folder = folder / "migrations"
        with self.app.app_context():
            flask_migrate.init()
        (self.folder / "env.py").write_text(ENVIRONMENT)
        self.revise("a1", None)
        self.upgrade()

    def revise(self, revision: str, previous: str | None) -> None:
        file = self.folder / "versions" / f"{revision}.py"
        file.write_text(REVISION.format(revision=revision, previous=previous))

    def upgrade(self) -> None:
        with self.app.app_context():
            flask_migrate.upgrade()

    def close(self) -> None:
        self.app.extensions["chest"].close()
        # A check that was late still has a connection, which would not be given back to any pool.
        for thread in threading.enumerate():
            if thread.name.startswith("dockerflow "):
                thread.join(60)
        with self.app.app_context():
            with self.db.engine.begin() as connection:
                connection.execute(text("DROP SCHEMA public CASCADE"))
                connection.execute(text("CREATE SCHEMA public"))
            self.db.engine.dispose()

    def beat(self) -> Any:
        response = self.app.test_client().get("/__heartbeat__")
        assert response.is_json
        return response

    def beat_in_time(self) -> Any:
        """Return a heartbeat while a server does not respond."""
        self.app.config["DOCKERFLOW_CHECK_TIMEOUT"] = TIMEOUT
        try:
            return self.beat()
        finally:
            self.app.config["DOCKERFLOW_CHECK_TIMEOUT"] = PATIENCE


@pytest.fixture
def shop(
    postgresql: PostgreSQL, redis_server: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    url = postgresql.url.replace("postgresql://", "postgresql+psycopg://")
    monkeypatch.setenv("FLASK_SQLALCHEMY_DATABASE_URI", url)
    monkeypatch.setenv("FLASK_REDIS_URL", redis_server.url)
    monkeypatch.setenv("FLASK_DOCKERFLOW_CHECK_TIMEOUT", str(PATIENCE))
    monkeypatch.setenv("FLASK_TESTING", "true")
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def messages(response: Any, check: str) -> list[str]:
    return list(response.json["details"][check]["messages"])


def test_all_is_well(shop: Shop) -> None:
    """With all servers running and all migrations applied, all checks are ok."""
    response = shop.beat()
    assert (response.status_code, response.json["checks"]) == (200, ALL_OK)


def test_migrations_pending(shop: Shop) -> None:
    """A revision that the database lacks is a warning until it is applied."""
    shop.revise("b2", "a1")
    response = shop.beat()
    assert (response.status_code, response.json["status"]) == (200, "warning")
    assert response.json["details"]["check_migrations_applied"]["messages"] == {
        "dockerflow.health.W001": "Unapplied migrations found: b2"
    }
    shop.upgrade()
    assert shop.beat().json["checks"] == ALL_OK


def test_redis_stops(shop: Shop, redis_server: Redis) -> None:
    """Without Redis, the heartbeat fails within the timeout; it passes after a restart."""
    assert shop.beat().status_code == 200
    redis_server.stop()
    try:
        response = shop.beat_in_time()
    finally:
        redis_server.start()
    assert (response.status_code, response.json["status"]) == (500, "error")
    assert messages(response, "check_redis_connected") == ["dockerflow.health.E004"]
    # The client of the check that was late may still be trying.
    wait_until(lambda: shop.beat().status_code == 200, lambda: shop.beat().text)


def test_redis_falls_silent(shop: Shop, redis_server: Redis) -> None:
    """A Redis that accepts connections but does not respond is an error within the timeout."""
    redis_server.pause()
    try:
        response = shop.beat_in_time()
    finally:
        redis_server.resume()
    assert (response.status_code, response.json["status"]) == (500, "error")
    assert messages(response, "check_redis_connected") == ["dockerflow.health.E004"]


def test_postgresql_falls_silent(shop: Shop, postgresql: PostgreSQL) -> None:
    """A database that does not respond is an error, and migrations cannot be checked."""
    assert shop.beat().status_code == 200
    postgresql.pause()
    try:
        response = shop.beat_in_time()
    finally:
        postgresql.resume()
    assert (response.status_code, response.json["status"]) == (500, "error")
    assert messages(response, "check_database_connected") == ["dockerflow.health.E001"]
    assert messages(response, "check_migrations_applied") == ["dockerflow.health.I001"]


def test_postgresql_stops(shop: Shop, postgresql: PostgreSQL) -> None:
    """A stopped database is an error, and migrations cannot be checked."""
    postgresql.stop()
    try:
        response = shop.beat()
    finally:
        postgresql.start()
    assert (response.status_code, response.json["status"]) == (500, "error")
    assert messages(response, "check_database_connected") == ["dockerflow.health.E008"]
    assert messages(response, "check_migrations_applied") == ["dockerflow.health.I001"]
    assert shop.beat().json["checks"] == ALL_OK


def test_a_database_that_is_misconfigured(postgresql: PostgreSQL) -> None:
    """A URL without a driver is reported as misconfigured."""
    app = Flask("wrong")

    class Database:
        @property
        def engine(self) -> Any:
            import sqlalchemy

            return sqlalchemy.create_engine("nosuchdb://host/db")

    Dockerflow(app, db=Database())
    response = app.test_client().get("/__heartbeat__")
    assert messages(response, "check_database_connected") == ["dockerflow.health.E009"]


def test_redis_answers_wrongly(redis_server: Redis) -> None:
    """A Redis that refuses the command, and one that answers no, have different errors."""
    client = redis.Redis.from_url(redis_server.url)
    client.config_set("requirepass", "secret")
    refusing, app = Flask("refusing"), Flask("saying no")
    other = redis.Redis.from_url(redis_server.url)
    Dockerflow(refusing, redis=other)
    try:
        response = refusing.test_client().get("/__heartbeat__")
    finally:
        client.config_set("requirepass", "")
        client.close()
        other.close()
    # redis-py counts a refused password among the errors of connecting.
    assert messages(response, "check_redis_connected") == ["dockerflow.health.E004"]

    class SayingNo:
        def ping(self) -> bool:
            return False

    Dockerflow(app, redis=SayingNo())
    response = app.test_client().get("/__heartbeat__")
    assert messages(response, "check_redis_connected") == ["dockerflow.health.E007"]


def test_redis_errors_of_another_kind() -> None:
    """Other errors of redis-py have their own id."""

    class Failing:
        def ping(self) -> bool:
            raise redis.ResponseError("LOADING Redis is loading the dataset in memory")

    app = Flask("loading")
    Dockerflow(app, redis=Failing())
    response = app.test_client().get("/__heartbeat__")
    assert messages(response, "check_redis_connected") == ["dockerflow.health.E010"]
