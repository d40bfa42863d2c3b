"""Reads and validates the ``CHEST_*`` keys of an app's config, once, in ``init_app``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..errors import ConfigError, suggest_name
from ..typing import TrackedVars
from . import value_types
from .setting_keys import KEYS, Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The validated settings of one app; read once, in ``init_app``."""

    enabled: bool
    chests: Sequence[object]
    tracked_vars: TrackedVars
    rules: Sequence[Mapping[str, Any]]
    blueprints: Mapping[str, Any]
    redact: tuple[str, ...] | None
    tags: Mapping[str, Any]
    facts: tuple[str, ...]
    query_names: tuple[str, ...]
    errors: str
    measure: tuple[str, ...]
    logs: int | None
    sample_rate: float
    slow_ms: float | None
    request_id_header: str
    buffer: str
    journal_dir: str | None
    buffer_max_bytes: int
    batch_size: int
    export_interval: float
    flush: str
    exporter: str
    export_timeout: float
    shutdown_timeout: float
    max_value_bytes: int
    max_record_bytes: int
    retention: float | None
    archive: str | bool | None
    archive_retention: float | None
    dashboard: bool | str
    dashboard_token: str | None


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read and validate every ``CHEST_*`` key of an app's config.

    :raises ConfigError: a value is wrong, or a ``CHEST_*`` key is unknown.
    """
    given = [name for name in config if name.startswith("CHEST_")]
    for name in given:
        if name not in KEYS:
            advice = suggest_name(name, KEYS, "known keys")
            raise ConfigError(f"{name}: there is no such key; {advice}")
    values = {KEYS[name].field: _validated(KEYS[name], config) for name in given}
    return Settings(**{**_defaults(), **values})


@cache  # a test suite may make an app for each test
def _defaults() -> dict[str, Any]:
    return {key.field: _validated(key, {}) for key in KEYS.values()}


def check_value(name: str, value: object) -> Any:
    """Validate a keyword argument that has the meaning of a config key.

    :param name: the config key.
    :raises ConfigError: the value is wrong.
    """
    return _validated(KEYS[name], {name: value})


def check_argument(
    name: str, value: object, validate: Callable[[Any], Any], *, secret: bool = False
) -> Any:
    """Validate an argument that has no config key.

    :param name: the argument's name in error messages.
    :param validate: see :class:`Key`.
    :param secret: see :class:`Key`.
    :raises ConfigError: the value is wrong.
    """
    return _validated(Key(name, None, validate, "", secret), {name: value})


def _validated(key: Key, config: Mapping[str, Any]) -> Any:
    value = config.get(key.name, key.default)
    try:
        return key.validate(value)
    except ValueError as error:
        kind = type(value).__name__
        shown = f"a value of type {kind!r}" if key.secret else value_types.describe_value(value)
        raise ConfigError(f"{key.name}: {shown} is not allowed: {error}") from None
