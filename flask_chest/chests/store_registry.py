"""Which class of chest a URL's scheme stands for. A new store is added to the table here."""

from __future__ import annotations

import importlib

from .base import Chest

#: URL scheme -> module and class. The module is imported when such a chest is made, and the driver
#: when the chest first writes.
SCHEMES = {
    "sqlite": ("sql.sqlite.chest", "FlaskChestSQLite"),
    "postgresql": ("sql.postgresql.chest", "FlaskChestPostgreSQL"),
    "postgres": ("sql.postgresql.chest", "FlaskChestPostgreSQL"),
    "mysql": ("sql.mysql.chest", "FlaskChestMySQL"),
    "mariadb": ("sql.mysql.chest", "FlaskChestMySQL"),
    "mongodb": ("mongodb.chest", "FlaskChestMongoDB"),
    "mongodb+srv": ("mongodb.chest", "FlaskChestMongoDB"),
    "influxdb": ("influxdb.chest", "FlaskChestInfluxDB"),
    "influxdb+https": ("influxdb.chest", "FlaskChestInfluxDB"),
    "redis": ("redis.chest", "FlaskChestRedis"),
    "rediss": ("redis.chest", "FlaskChestRedis"),
    "clickhouse": ("clickhouse.chest", "FlaskChestClickHouse"),
    "clickhouse+https": ("clickhouse.chest", "FlaskChestClickHouse"),
    "chdb": ("clickhouse.chest", "FlaskChestClickHouse"),
    "http": ("http.chest", "FlaskChestCustomWriter"),
    "https": ("http.chest", "FlaskChestCustomWriter"),
    "kafka": ("kafka.chest", "FlaskChestKafka"),
    "otlp+http": ("otlp.chest", "FlaskChestOTLP"),
    "otlp+https": ("otlp.chest", "FlaskChestOTLP"),
    "memory": ("memory", "MemoryChest"),
}

#: Public class -> module, for lazy loading by the package.
CLASSES = {name: module for module, name in SCHEMES.values()}


def load_class(name: str) -> type[Chest]:
    """Import the module of a public chest class and return the class."""
    module = importlib.import_module(f".{CLASSES[name]}", __package__)
    chest_class: type[Chest] = getattr(module, name)
    return chest_class
