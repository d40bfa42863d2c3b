"""Every ``CHEST_*`` key: its name, its default, what is allowed, and what it means.

The table below is the one place: :func:`read` checks with it, the documentation is made from it.
All values are JSON-able, so they may come from ``app.config.from_prefixed_env()`` and from TOML.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, suggest_name
from ..typing import TrackedVars
from . import validators as checks

#: What must not be stored. Elastic's default patterns first:
#: https://www.elastic.co/guide/en/apm/agent/python/current/configuration.html#config-sanitize-field-names
#: They take four words only where these are the whole name; Sentry and Rails hide ``new_password``
#: and ``client_secret`` as well:
#: https://docs.sentry.io/security-legal-pii/scrubbing/server-side-scrubbing/
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
    "*password*",
    "*passwd*",
    "*pwd*",
    "*secret*",
)

# A journal has room for six hexadecimal digits of a record's length.
_LARGEST_RECORD = 8 * 1024 * 1024
# A day, in seconds: threads and sockets refuse to wait for more than some years, and infinity.
_LONGEST = 86400


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    :param name: the key, as it stands in ``app.config``.
    :param default: its value where the app says nothing.
    :param check: returns the value as the code uses it, or raises :class:`ValueError` that says
        what is allowed.
    :param meaning: one sentence for the reference.
    :param secret: it holds credentials, so that no message may quote it.
    """

    name: str
    default: Any
    check: Callable[[Any], Any]
    meaning: str
    secret: bool = False

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
            advice = suggest_name(name, KEYS, "known keys")
            raise ConfigError(f"{name}: there is no such key; {advice}")
    return Settings(**{key.field: _checked(key, config) for key in KEYS.values()})


def check_value(name: str, value: object) -> Any:
    """Check one value as if it stood in the config; for keyword arguments of the same meaning.

    :raises ConfigError: the value is wrong.
    """
    return _checked(KEYS[name], {name: value})


def check_argument(
    name: str, value: object, check: Callable[[Any], Any], *, secret: bool = False
) -> Any:
    """Check an argument that has no key of its own.

    :param secret: see :class:`Key`.
    :raises ConfigError: the value is wrong.
    """
    return _checked(Key(name, None, check, "", secret), {name: value})


def _checked(key: Key, config: Mapping[str, Any]) -> Any:
    value = config.get(key.name, key.default)
    try:
        return key.check(value)
    except ValueError as error:
        told = f"a value of type {type(value).__name__!r}" if key.secret else checks.short(value)
        raise ConfigError(f"{key.name}: {told} is not allowed: {error}") from None


_ALL = (
    Key("CHEST_ENABLED", True, checks.boolean, "Off: nothing is hooked, wrapped or started."),
    Key(
        "CHEST_CHESTS",
        ["sqlite:///chest.db"],
        checks.chests,
        "Where records go: URLs, dicts with 'url' and constructor arguments, or chests.",
        secret=True,
    ),
    Key(
        "CHEST_TRACKED_VARS",
        None,
        checks.tracked_vars,
        "What every route tracks: None (all plain public values on g), a list of names, or lists "
        "by method ('*' for every method).",
    ),
    Key("CHEST_RULES", [], checks.mappings, "Rules for routes, endpoints, blueprints and methods."),
    Key(
        "CHEST_BLUEPRINTS",
        {},
        checks.mapping,
        "Tracked variables, or a rule's options, by the name of a blueprint.",
    ),
    Key(
        "CHEST_REDACT",
        None,
        checks.redact,
        "Names (globs, at any depth, in any case) whose values become [REDACTED]; None stands for "
        "the default patterns, which spare variables that were tracked by name.",
    ),
    Key("CHEST_TAGS", {}, checks.tags, "Constant tags on each record, e.g. service and env."),
    Key(
        "CHEST_SAMPLE_RATE",
        1.0,
        checks.number(0, 1),
        "Share of the records that is kept; errors and slow requests always are, also with 0.",
    ),
    Key(
        "CHEST_SLOW_MS",
        None,
        checks.optional(checks.number(0)),
        "Milliseconds from which on a request counts as slow.",
    ),
    Key(
        "CHEST_REQUEST_ID_HEADER",
        "X-Request-ID",
        checks.header,
        "The header a request id is taken from, and echoed in.",
    ),
    Key(
        "CHEST_BUFFER",
        "disk",
        checks.one_of("disk", "memory", "none"),
        "'disk' (journal), 'memory', or 'none' (delivered before the response, errors raised).",
    ),
    Key(
        "CHEST_JOURNAL_DIR",
        None,
        checks.optional(checks.text),
        "The folder of the journal; default: chest-journal in the instance folder.",
    ),
    Key(
        "CHEST_BUFFER_MAX_BYTES",
        256 * 1024 * 1024,
        checks.integer(64 * 1024),
        "Bytes that may wait; over it the oldest undelivered records go, counted as lost.",
    ),
    Key("CHEST_BATCH_SIZE", 1000, checks.integer(1), "Records a batch; a full batch goes at once."),
    Key(
        "CHEST_EXPORT_INTERVAL",
        1.0,
        checks.number(0.05, _LONGEST),
        "Seconds after which a batch goes that is not full.",
    ),
    Key(
        "CHEST_EXPORTER",
        "thread",
        checks.one_of("thread", "agent"),
        "'thread' (in each serving process) or 'agent' (a process of its own: flask chest agent).",
    ),
    Key(
        "CHEST_EXPORT_TIMEOUT",
        10.0,
        checks.number(0, _LONGEST, above=True),
        "Seconds that one call to a backend may take.",
    ),
    Key(
        "CHEST_SHUTDOWN_TIMEOUT",
        2.0,
        checks.number(0, _LONGEST),
        "Seconds that delivery may take at exit; the rest stays in the journal.",
    ),
    Key(
        "CHEST_MAX_VALUE_BYTES",
        8 * 1024,
        checks.integer(64),
        "Bytes of one value; over it the value is cut, and marked as cut.",
    ),
    Key(
        "CHEST_MAX_RECORD_BYTES",
        64 * 1024,
        checks.integer(2048, _LARGEST_RECORD),
        "Bytes of one record; over it variables are left out, and their number is noted.",
    ),
    Key(
        "CHEST_RETENTION",
        None,
        checks.optional(checks.retention),
        "How long rows are kept, e.g. '30 days'; a plain number is seconds. Stores that can, "
        "delete older ones.",
    ),
    Key(
        "CHEST_DASHBOARD",
        False,
        checks.dashboard,
        "Serve the dashboard: True, or a URL prefix such as '/chest'.",
    ),
    Key(
        "CHEST_DASHBOARD_TOKEN",
        None,
        checks.optional(checks.text),
        "The token that opens the dashboard.",
        secret=True,
    ),
)

#: Every key by its name.
KEYS: dict[str, Key] = {key.name: key for key in _ALL}
