"""What those who run the shop ask of it: the views, the checks and the summaries of Dockerflow.

The shop needs neither a database nor Redis. Where the configuration names one, with
``FLASK_REDIS_URL`` in the environment, say, the heartbeat looks after it, and only then is its
library imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from flask_chest.dockerflow import Dockerflow


def init_app(app: Flask) -> None:
    Dockerflow(app, **find_database(app), **find_redis(app))


def find_database(app: Flask) -> dict[str, Any]:
    """The database of ``SQLALCHEMY_DATABASE_URI``, with its migrations in the instance folder."""
    if "SQLALCHEMY_DATABASE_URI" not in app.config:
        return {}
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy

    db = SQLAlchemy(app)
    migrations = Path(app.instance_path) / "migrations"
    return {"db": db, "migrate": Migrate(app, db, directory=str(migrations))}


def find_redis(app: Flask) -> dict[str, Any]:
    """The Redis of ``REDIS_URL``."""
    if "REDIS_URL" not in app.config:
        return {}
    from redis import Redis

    return {"redis": Redis.from_url(app.config["REDIS_URL"])}
