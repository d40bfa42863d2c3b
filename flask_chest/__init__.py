"""Records each request of a Flask app, with the values that its views put on ``flask.g``.

::

    from flask import Flask
    from flask_chest import FlaskChest

    app = Flask(__name__)
    FlaskChest(app)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _posix as _posix  # first: on Windows it says what is missing
from ._version import __version__
from .chests.base import Chest
from .chests.store_registry import CLASSES, load_class
from .decorator import flask_chest
from .extension import FlaskChest
from .record.record import Record

if TYPE_CHECKING:
    from .chests.clickhouse.chest import FlaskChestClickHouse
    from .chests.http.chest import FlaskChestCustomWriter
    from .chests.influxdb.chest import FlaskChestInfluxDB
    from .chests.kafka.chest import FlaskChestKafka
    from .chests.mongodb.chest import FlaskChestMongoDB
    from .chests.otlp.chest import FlaskChestOTLP
    from .chests.redis.chest import FlaskChestRedis
    from .chests.sql.mysql.chest import FlaskChestMySQL
    from .chests.sql.postgresql.chest import FlaskChestPostgreSQL
    from .chests.sql.sqlite.chest import FlaskChestSQLite

__all__ = [
    "Chest",
    "FlaskChest",
    "FlaskChestClickHouse",
    "FlaskChestCustomWriter",
    "FlaskChestInfluxDB",
    "FlaskChestKafka",
    "FlaskChestMongoDB",
    "FlaskChestMySQL",
    "FlaskChestOTLP",
    "FlaskChestPostgreSQL",
    "FlaskChestRedis",
    "FlaskChestSQLite",
    "Record",
    "__version__",
    "flask_chest",
]


def __getattr__(name: str) -> Any:
    # Chests load lazily: importing this package imports no database driver.
    if name in CLASSES and name in __all__:
        return load_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
