"""The built-in checks of databases, migrations and Redis; each imports its library itself."""

from __future__ import annotations

from typing import Any

from .. import health
from .messages import CheckMessage, Error, Info, Warning  # noqa: A004 - a message class
from .runner import when_late


@when_late(
    Error("The database gave no answer in time", id=health.ERROR_CANNOT_CONNECT_DATABASE),
)
def check_database_connected(db: Any) -> list[CheckMessage]:
    """Check that the default database answers a query.

    :param db: a Flask-SQLAlchemy extension, or anything with an ``engine`` of SQLAlchemy.

    .. versionadded:: 1.0
    """
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        with db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
    except DBAPIError as error:
        return [Error(_public("DB-API error", error), obj=error, id=health.ERROR_DB_API_EXCEPTION)]
    except SQLAlchemyError as error:
        message = _public("Database misconfigured", error)
        return [Error(message, obj=error, id=health.ERROR_SQLALCHEMY_EXCEPTION)]
    return []


@when_late(
    Info("Can't check migrations: no answer in time", id=health.INFO_CANT_CHECK_MIGRATIONS),
)
def check_migrations_applied(migrate: Any) -> list[CheckMessage]:
    """Check that the database is at the newest Alembic revision of the code.

    :param migrate: a Flask-Migrate extension.

    .. versionadded:: 1.0
    """
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy.exc import SQLAlchemyError

    script = ScriptDirectory.from_config(migrate.get_config(directory=migrate.directory))
    try:
        with migrate.db.engine.connect() as connection:
            applied = set(MigrationContext.configure(connection).get_current_heads())
    except SQLAlchemyError as error:
        text = _public("Can't connect to database to check migrations", error)
        return [Info(text, obj=error, id=health.INFO_CANT_CHECK_MIGRATIONS)]
    expected = set(script.get_heads())
    if applied == expected:
        return []
    text = f"Unapplied migrations found: {', '.join(sorted(expected))}"
    return [Warning(text, id=health.WARNING_UNAPPLIED_MIGRATION)]


# Clients of redis-py 6 or newer retry for seconds before they fail, so a stopped server often
# results in "no answer in time".
@when_late(
    Error("Could not connect to redis: no answer in time", id=health.ERROR_CANNOT_CONNECT_REDIS),
)
def check_redis_connected(client: Any) -> list[CheckMessage]:
    """Check that Redis answers a ``PING``.

    :param client: a client of redis-py, or a Flask-Redis extension.

    .. versionadded:: 1.0
    """
    from redis import ConnectionError as RedisConnectionError
    from redis import RedisError

    try:
        answered = client.ping()
    except RedisConnectionError as error:
        text = _public("Could not connect to redis", error)
        return [Error(text, obj=error, id=health.ERROR_CANNOT_CONNECT_REDIS)]
    except RedisError as error:
        text = _public("Redis error", error)
        return [Error(text, obj=error, id=health.ERROR_REDIS_EXCEPTION)]
    if not answered:
        return [Error("Redis ping failed", id=health.ERROR_REDIS_PING_FAILED)]
    return []


def _public(text: str, error: BaseException) -> str:
    # Everybody can read the heartbeat, and an error's text names user, host and database.
    return f"{text}: {type(error).__name__}; the log has the details"
