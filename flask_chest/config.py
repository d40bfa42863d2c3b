"""Every ``CHEST_*`` key: its name, its default, what is allowed, and what it means.

The table below is the one place: :func:`read` checks with it, the documentation is made from it.
All values are JSON-able, so they may come from ``app.config.from_prefixed_env()`` and from TOML.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError
from .typing import TrackedVars

#: Elastic's default patterns for what must not be stored:
#: https://www.elastic.co/guide/en/apm/agent/python/current/configuration.html#config-sanitize-field-names
DEFAULT_REDACT = (
    "password",
    "passwd",
    "pwd",
    "secret",
    "*key",
    "*token*",
    "*session*",
    "*credit*",
    "*card*",
    "*auth*",
    "*principal*",
    "set-cookie",
)

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week|month|year)s?\s*", re.I)
_SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "week": 7 * 86400,
    "month": 30 * 86400,
    "year": 365 * 86400,
}
_HEADER = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    :param name: the key, as it stands in ``app.config``.
    :param default: its value where the app says nothing.
    :param check: returns the value as the code uses it, or raises :class:`ValueError` that says
        what is allowed.
    :param meaning: one sentence for the reference.
    """

    name: str
    default: Any
    check: Callable[[Any], Any]
    meaning: str

    @property
    def field(self) -> str:
        """The attribute of :class:`Settings` that holds the checked value."""
        return self.name.removeprefix("CHEST_").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The checked settings of one app; read once, at ``init_app``."""

    enabled: bool
    chests: Sequence[object]
    tracked_vars: TrackedVars
    rules: Sequence[Mapping[str, Any]]
    blueprints: Mapping[str, Any]
    redact: tuple[str, ...] | None
    tags: Mapping[str, Any]
    sample_rate: float
    slow_ms: float | None
    request_id_header: str
    buffer: str
    journal_dir: str | None
    buffer_max_bytes: int
    batch_size: int
    export_interval: float
    exporter: str
    export_timeout: float
    shutdown_timeout: float
    max_value_bytes: int
    max_record_bytes: int
    retention: float | None
    dashboard: bool | str
    dashboard_token: str | None


def read(config: Mapping[str, Any]) -> Settings:
    """Check every ``CHEST_*`` key of an app's config.

    :raises ConfigError: a value is wrong, or a key is misspelt.
    """
    for name in config:
        if name.startswith("CHEST_") and name not in KEYS:
            raise ConfigError(_misspelt(name))
    return Settings(**{key.field: _checked(key, config) for key in KEYS.values()})


def check_value(name: str, value: object) -> Any:
    """Check one value as if it stood in the config; for keyword arguments of the same meaning.

    :raises ConfigError: the value is wrong.
    """
    return _checked(KEYS[name], {name: value})


def _checked(key: Key, config: Mapping[str, Any]) -> Any:
    value = config.get(key.name, key.default)
    try:
        return key.check(value)
    except ValueError as error:
        raise ConfigError(f"{key.name}: {_short(value)} is not allowed: {error}") from None


def _short(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a value whose repr raises must not hide the message
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _misspelt(name: str) -> str:
    near = difflib.get_close_matches(name, KEYS, n=1)
    advice = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(KEYS)}"
    return f"{name}: there is no such key; {advice}"


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def _number(least: float, most: float | None = None, *, above: bool = False) -> Any:
    limit = f"above {least:g}" if above else f"at least {least:g}"
    limit += "" if most is None else f" and at most {most:g}"

    def check(value: Any) -> float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if fits and value >= least and (not above or value > least):
            if most is None or value <= most:
                return float(value)
        raise ValueError(f"expected a number, {limit}")

    return check


def _integer(least: int) -> Any:
    def check(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value >= least:
            return value
        raise ValueError(f"expected a whole number, at least {least}")

    return check


def _one_of(*allowed: str) -> Any:
    def check(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        near = difflib.get_close_matches(str(value), allowed, n=1)
        advice = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"expected one of {', '.join(map(repr, allowed))}{advice}")

    return check


def _optional(inner: Callable[[Any], Any]) -> Any:
    def check(value: Any) -> Any:
        return None if value is None else inner(value)

    return check


def _text(value: Any) -> str:
    if isinstance(value, str) and value:
        return value
    raise ValueError("expected a text that is not empty")


def _header(value: Any) -> str:
    if isinstance(value, str) and _HEADER.fullmatch(value):
        return value
    raise ValueError("expected the name of an HTTP header, e.g. 'X-Request-ID'")


def _chests(value: Any) -> Sequence[object]:
    if isinstance(value, (list, tuple)) and value:
        return list(value)
    raise ValueError("expected a list of URLs, dicts or chests, e.g. ['sqlite:///chest.db']")


def _mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    if isinstance(value, (list, tuple)) and all(isinstance(rule, Mapping) for rule in value):
        return list(value)
    raise ValueError("expected a list of rules, e.g. [{'rule': '/api/*', 'track': ['tenant']}]")


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return dict(value)
    raise ValueError("expected a mapping whose keys are names")


def _tags(value: Any) -> Mapping[str, Any]:
    tags = _mapping(value)
    for name, tag in tags.items():
        if not isinstance(tag, (str, int, float, bool)):
            raise ValueError(f"the tag {name!r} must be a text, a number or a boolean")
    return tags


def _redact(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    return names(value)


def names(value: Any) -> tuple[str, ...]:
    """A list of names.

    :raises ValueError: it is something else; a lone string is the usual slip.
    """
    if isinstance(value, str):
        raise ValueError(f"expected a list of names; write [{value!r}]")
    if isinstance(value, (list, tuple, set, frozenset)):
        if all(isinstance(name, str) and name for name in value):
            return tuple(value)
    raise ValueError("expected a list of names")


def tracked_vars(value: Any) -> TrackedVars:
    """``None``, a list of names, or lists by HTTP method.

    :raises ValueError: it is something else.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return names(value)
    if not all(isinstance(method, str) for method in value):
        raise ValueError("expected HTTP methods as keys, e.g. {'GET': ['user_id'], '*': []}")
    return {method.upper(): names(listed) for method, listed in value.items()}


def seconds(value: Any) -> float:
    """A duration: a number of seconds, or words such as ``"30 days"``.

    :raises ValueError: it is something else.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) <= 0:
        raise ValueError("expected a duration, e.g. '30 days', '12 hours' or a number of seconds")
    return float(match[1]) * _SECONDS[match[2].lower()]


def _dashboard(value: Any) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.startswith("/"):
        return value
    raise ValueError("expected true, false or a URL prefix that begins with '/'")


_ALL = (
    Key("CHEST_ENABLED", True, _boolean, "Off: nothing is hooked, wrapped or started."),
    Key(
        "CHEST_CHESTS",
        ["sqlite:///chest.db"],
        _chests,
        "Where records go: URLs, dicts with 'url' and constructor arguments, or chests.",
    ),
    Key(
        "CHEST_TRACKED_VARS",
        None,
        tracked_vars,
        "What every route tracks: None (all plain public values on g), a list of names, or lists "
        "by method ('*' for every method).",
    ),
    Key("CHEST_RULES", [], _mappings, "Rules for routes, endpoints, blueprints and methods."),
    Key(
        "CHEST_BLUEPRINTS",
        {},
        _mapping,
        "Tracked variables, or a rule's options, by the name of a blueprint.",
    ),
    Key(
        "CHEST_REDACT",
        None,
        _redact,
        "Names (globs, at any depth, in any case) whose values become [REDACTED]; None stands for "
        "Elastic's default patterns, which spare variables that were tracked by name.",
    ),
    Key("CHEST_TAGS", {}, _tags, "Constant tags on each record, e.g. service and env."),
    Key(
        "CHEST_SAMPLE_RATE",
        1.0,
        _number(0, 1, above=True),
        "Share of the records that is kept; errors and slow requests always are.",
    ),
    Key(
        "CHEST_SLOW_MS",
        None,
        _optional(_number(0)),
        "Milliseconds from which on a request counts as slow.",
    ),
    Key(
        "CHEST_REQUEST_ID_HEADER",
        "X-Request-ID",
        _header,
        "The header a request id is taken from, and echoed in.",
    ),
    Key(
        "CHEST_BUFFER",
        "disk",
        _one_of("disk", "memory", "none"),
        "'disk' (journal), 'memory', or 'none' (delivered before the response, errors raised).",
    ),
    Key(
        "CHEST_JOURNAL_DIR",
        None,
        _optional(_text),
        "The folder of the journal; default: chest-journal in the instance folder.",
    ),
    Key(
        "CHEST_BUFFER_MAX_BYTES",
        256 * 1024 * 1024,
        _integer(64 * 1024),
        "Bytes that may wait; over it the oldest undelivered records go, counted as lost.",
    ),
    Key("CHEST_BATCH_SIZE", 1000, _integer(1), "Records a batch; a full batch goes at once."),
    Key(
        "CHEST_EXPORT_INTERVAL",
        1.0,
        _number(0.05),
        "Seconds after which a batch goes that is not full.",
    ),
    Key(
        "CHEST_EXPORTER",
        "thread",
        _one_of("thread", "agent"),
        "'thread' (in each serving process) or 'agent' (a process of its own: flask chest agent).",
    ),
    Key(
        "CHEST_EXPORT_TIMEOUT",
        10.0,
        _number(0, above=True),
        "Seconds that one call to a backend may take.",
    ),
    Key(
        "CHEST_SHUTDOWN_TIMEOUT",
        2.0,
        _number(0),
        "Seconds that delivery may take at exit; the rest stays in the journal.",
    ),
    Key(
        "CHEST_MAX_VALUE_BYTES",
        8 * 1024,
        _integer(64),
        "Bytes of one value; over it the value is cut, and marked as cut.",
    ),
    Key(
        "CHEST_MAX_RECORD_BYTES",
        64 * 1024,
        _integer(2048),
        "Bytes of one record; over it variables are left out, and their number is noted.",
    ),
    Key(
        "CHEST_RETENTION",
        None,
        _optional(seconds),
        "How long rows are kept, e.g. '30 days'; stores that can, delete older ones.",
    ),
    Key(
        "CHEST_DASHBOARD",
        False,
        _dashboard,
        "Serve the dashboard: True, or a URL prefix such as '/chest'.",
    ),
    Key("CHEST_DASHBOARD_TOKEN", None, _optional(_text), "The token that opens the dashboard."),
)

#: Every key by its name.
KEYS: dict[str, Key] = {key.name: key for key in _ALL}
