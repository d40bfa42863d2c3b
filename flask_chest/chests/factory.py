"""Makes chests from the entries of ``CHEST_CHESTS``: URLs, dicts and ``Chest`` objects."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import NoneType
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from ..errors import ConfigError, suggest_name
from ..record.printable_text import printable
from .base import Chest
from .constructor_arguments import known_arguments, unknown_argument
from .secret_scrubbing import scrub
from .url import ENCODING_HINT, StoreURL

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

# Constructor arguments that are mappings.
_MAPPINGS = {"custom_tags", "headers", "options", "params", "proxies", "resource", "settings"}

# Those whose values may be credentials.
_SECRET_MAPPINGS = {"headers", "options", "params", "proxies", "resource", "settings"}

#: Public class -> module, for lazy loading by the package.
CLASSES = {name: module for module, name in SCHEMES.values()}


def load_class(name: str) -> type[Chest]:
    """Import the module of a public chest class and return the class."""
    module = importlib.import_module(f".{CLASSES[name]}", __package__)
    chest_class: type[Chest] = getattr(module, name)
    return chest_class


def make_chests(specs: Iterable[object], key: str = "CHEST_CHESTS") -> list[Chest]:
    """Make the chests that a config value lists.

    :param specs: URLs, dicts with ``"url"`` and constructor arguments, or chests.
    :param key: the name of the config value in error messages.
    :raises ConfigError: an entry is none of these, or two chests have the same name.
    """
    chests = [make_chest(spec, f"{key}[{index}]") for index, spec in enumerate(specs)]
    assign_default_names(chests)
    seen: dict[str, int] = {}
    for index, chest in enumerate(chests):
        if chest.name in seen:
            raise ConfigError(
                f"{key}[{index}]: the name {chest.name!r} is taken by {key}[{seen[chest.name]}]; "
                "give one of them another 'name'"
            )
        seen[chest.name] = index
    return chests


def make_chest(spec: object, key: str = "CHEST_CHESTS") -> Chest:
    """Make one chest from a URL or a dict; a chest is returned as it is.

    :param key: the name of the config value in error messages.
    :raises ConfigError: the entry is wrong; the message has ``key``, the value and the remedy.
    """
    if isinstance(spec, Chest):
        return spec
    if isinstance(spec, str):
        return _from_url(spec, {}, key)
    if isinstance(spec, Mapping):
        arguments = dict(spec)
        url = arguments.pop("url", None)
        if not isinstance(url, str):
            raise ConfigError(f"{key}: a dict needs 'url', e.g. {{'url': 'sqlite:///chest.db'}}")
        return _from_url(url, arguments, key)
    if isinstance(spec, type):
        raise ConfigError(f"{key}: a class is not a Chest; make one: {spec.__name__}(...)")
    if callable(getattr(spec, "write", None)):
        raise ConfigError(
            f"{key}: {type(spec).__name__} is not a Chest; wrap it: Chest.from_tuple_writer(obj)"
        )
    raise ConfigError(
        f"{key}: expected a URL, a dict with 'url', or a Chest, not {type(spec).__name__}"
    )


def _from_url(url: str, arguments: dict[str, Any], key: str) -> Chest:
    scheme = _scheme(url, key)
    if scheme not in SCHEMES:
        raise ConfigError(f"{key}: {_unknown_scheme(scheme)}")
    if not url.partition(":")[2].startswith("//"):
        right = "sqlite:///chest.db" if scheme == "sqlite" else f"{scheme}://..."
        raise ConfigError(f"{key}: '//' must follow '{scheme}:'; write {right!r}")
    _, class_name = SCHEMES[scheme]
    chest_class = load_class(class_name)
    _check_arguments(chest_class, arguments, key)
    try:
        chest = chest_class.from_url(url, **arguments)
        chest.made_from = _comparable([url, arguments])
        return chest
    except (TypeError, ValueError) as error:  # a ConfigError is a ValueError
        remedy = "; leave out what the URL says" if "multiple values" in str(error) else ""
        reason = printable(scrub(f"{error}{remedy}", _secrets_of(url, arguments)))
    # Outside of the handler: a traceback would show the error with its secrets.
    raise ConfigError(f"{key}: {reason}")


def _secrets_of(url: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what may be a credential in an entry of ``CHEST_CHESTS``."""
    found = [urlsplit(url).netloc.rpartition("@")[0].partition(":")[2]]
    with suppress(ConfigError):
        found += StoreURL.parse(url).secrets()
    for name, value in arguments.items():
        if name in _SECRET_MAPPINGS and isinstance(value, Mapping):
            found += map(str, value.values())
        elif name == "token":
            found.append(str(value))
    return tuple(found)


def _comparable(value: object) -> Hashable:
    """Return a hashable value that is equal for equal entries."""
    if isinstance(value, Mapping):
        return tuple((name, _comparable(each)) for name, each in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(map(_comparable, value))
    # Numbers and texts of different types may be equal; other objects are equal to themselves only.
    return (type(value), value) if isinstance(value, Hashable) else id(value)


def share_chests(chests: Iterable[Chest]) -> list[Chest]:
    """Replace chests by those of other apps in this process that have the same store and name.

    Otherwise a process with many apps would have as many connections, and SQLite lets one at a time
    write.
    """
    return [_shared(chest) for chest in chests]


def _shared(chest: Chest) -> Chest:
    if not chest.shareable or chest.made_from is None:
        return chest
    info = chest.app_info and replace(chest.app_info, app_name="")
    key = (type(chest), chest.made_from, chest.name, info)
    return _shared_chests.setdefault(key, chest)


_shared_chests: WeakValueDictionary[Hashable, Chest] = WeakValueDictionary()


def _scheme(url: str, key: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        # The message of the error may quote a part of the password.
        raise ConfigError(f"{key}: the URL is malformed; {ENCODING_HINT}") from None


def _unknown_scheme(scheme: str) -> str:
    if not scheme:
        return "a URL needs a scheme, e.g. 'sqlite:///chest.db'"
    return f"unknown scheme {scheme!r}; {suggest_name(scheme, sorted(SCHEMES))}"


def _check_arguments(chest_class: type[Chest], arguments: Mapping[str, Any], key: str) -> None:
    known = known_arguments(chest_class)
    for name, value in arguments.items():
        if name in _MAPPINGS and not isinstance(value, (Mapping, NoneType)):
            # The message does not quote the value: headers may hold an API key.
            kind = type(value).__name__
            raise ConfigError(f"{key}: {name!r} is of type {kind!r}; expected a mapping of names")
        if name not in known:
            raise ConfigError(f"{key}: {unknown_argument(chest_class, name)}")


def locations_by_name(chests: Iterable[Chest]) -> dict[str, str]:
    """Return the locations of chests by name, without chests that have no location."""
    return {chest.name: location for chest in chests if (location := chest.location())}


def assign_default_names(chests: Iterable[Chest]) -> None:
    """Number the chests that were made without a name: ``sqlite``, ``sqlite-2``, ..."""
    chests = list(chests)
    fixed = [chest for chest in chests if chest.name_was_given or chest.name_is_fixed]
    assign_unique_names(
        [each for each in chests if each not in fixed], [each.name for each in fixed]
    )


def assign_unique_names(chests: Iterable[Chest], taken: Iterable[str]) -> None:
    """Rename chests whose names are taken: ``orders-2``, ...

    :param taken: names of other chests of the app.
    :raises ConfigError: a name is taken and cannot change, since another app uses the chest, too.
    """
    taken = set(taken)
    for chest in chests:
        if chest.name_is_fixed and chest.name in taken:
            raise ConfigError(
                f"{chest!r}: the name {chest.name!r} is taken in this app, and another app "
                "delivers to this chest under it; give it another 'name'"
            )
        stem = chest.name if chest.name_was_given else chest.scheme
        name, number = chest.name, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        chest.name = name
        taken.add(name)
