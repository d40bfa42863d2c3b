"""The shop's Dockerflow views, checks and summaries.

The shop works without a database and without Redis. If the configuration names one, for example
with ``FLASK_REDIS_URL`` in the environment, the heartbeat checks it. Its library is imported only
then.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from flask_chest.dockerflow import Dockerflow


def init_app(app: Flask) -> None:
    Dockerflow(app, **find_database(app), **find_redis(app))


def find_database(app: Flask) -> dict[str, Any]:
    """Connect to ``SQLALCHEMY_DATABASE_URI``; the migrations are in the instance folder."""
    if "SQLALCHEMY_DATABASE_URI" not in app.config:
        return {}
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy(app)
    migrations = Path(app.instance_path) / "migrations"
    return {"db": db, "migrate": Migrate(app, db, directory=str(migrations))}


def find_redis(app: Flask) -> dict[str, Any]:
    """Connect to the Redis of ``REDIS_URL``."""
    if "REDIS_URL" not in app.config:
        return {}
    from redis import Redis

    return {"redis": Redis.from_url(app.config["REDIS_URL"])}
