"""Makes the SQLAlchemy engines of chests that have a server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

_POOL = "flask_chest"

#: Executes a statement in the driver's own way: cursor, statement, parameters, context. Returns
#: ``False`` to leave it to SQLAlchemy.
Execute = Callable[[Any, str, Any, Any], bool]


def make_engine(
    url: str, connect: Callable[[], Any], execute: Execute, **options: Any
) -> sa.Engine:
    """Make an engine with one connection, which it opens on first use.

    :param url: only the dialect and the driver, e.g. ``"postgresql+psycopg://"``.
    :param connect: returns a new connection of the driver.
    :param execute: called before each statement.
    :param options: further arguments for SQLAlchemy's ``create_engine``.
    """
    # SQLAlchemy 1.4 has the interface of version 2 if "future" is set.
    options = {"pool_size": 1, "pool_logging_name": _POOL, "future": True, **options}
    engine = sa.create_engine(url, creator=connect, **options)
    # An event handler, so that SQLAlchemy wraps the driver's exceptions.
    sa.event.listen(engine, "do_execute", execute)
    # When a connection breaks, SQLAlchemy logs a traceback for the rollback that fails then. The
    # chest reports the failure itself.
    pool = type(engine.pool)
    logger = logging.getLogger(f"{pool.__module__}.{pool.__qualname__}.{_POOL}")
    logger.setLevel(logging.CRITICAL)
    return engine
