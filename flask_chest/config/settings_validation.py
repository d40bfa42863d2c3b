"""Every ``CHEST_*`` key: name, default, validator and meaning; ``read_settings()`` validates them.

The configuration reference is generated from the table below. All values are JSON-able, so
``app.config.from_prefixed_env()`` and TOML files can set them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, suggest_name
from ..typing import TrackedVars
from . import value_types
from .fact_names import facts

#: Names whose values are redacted. Elastic's default patterns come first:
#: https://www.elastic.co/guide/en/apm/agent/python/current/configuration.html#config-sanitize-field-names
#: Five of them match only the whole name. Sentry and Rails hide ``new_password`` and
#: ``client_secret`` as well. The last seven are what a privacy officer expects besides:
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
    "*cookie*",
    "*nonce*",
    "*credential*",
    "*passphrase*",
    "*jwt*",
    "*keys",
    "*_key_*",
)

# The journal stores a record's length in six hexadecimal digits.
_MAX_RECORD_BYTES = 8 * 1024 * 1024
# Seconds. Threads and sockets refuse to wait for infinity or for many years.
_MAX_INTERVAL = 86400


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    :param name: the key in ``app.config``.
    :param default: the value if the app does not set the key.
    :param validate: returns the normalized value, or raises :class:`ValueError` with what is
        allowed.
    :param meaning: one sentence for the reference.
    :param secret: whether the value holds credentials, so that no message may quote it.
    """

    name: str
    default: Any
    validate: Callable[[Any], Any]
    meaning: str
    secret: bool = False

    @property
    def field(self) -> str:
        """The attribute of :class:`Settings` that holds the validated value."""
        return self.name.removeprefix("CHEST_").lower()


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
    dashboard: bool | str
    dashboard_token: str | None


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Read and validate every ``CHEST_*`` key of an app's config.

    :raises ConfigError: a value is wrong, or a ``CHEST_*`` key is unknown.
    """
    for name in config:
        if name.startswith("CHEST_") and name not in KEYS:
            advice = suggest_name(name, KEYS, "known keys")
            raise ConfigError(f"{name}: there is no such key; {advice}")
    return Settings(**{key.field: _validated(key, config) for key in KEYS.values()})


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


_ALL = (
    Key("CHEST_ENABLED", True, value_types.boolean, "Off: nothing is hooked, wrapped or started."),
    Key(
        "CHEST_CHESTS",
        ["sqlite:///chest.db"],
        value_types.chests,
        "Where records go: a list of URLs, dicts with 'url' and constructor arguments, or chests.",
        secret=True,
    ),
    Key(
        "CHEST_TRACKED_VARS",
        None,
        value_types.tracked_vars,
        "The variables that every route tracks: None (all plain public values on g), a list of "
        "names, or lists by method ('*' for every method).",
    ),
    Key(
        "CHEST_RULES",
        [],
        value_types.mappings,
        "Rules for routes, endpoints, blueprints and methods.",
    ),
    Key(
        "CHEST_BLUEPRINTS",
        {},
        value_types.mapping,
        "Tracked variables, or a rule's options, by the name of a blueprint.",
    ),
    Key(
        "CHEST_REDACT",
        None,
        value_types.redact,
        "Names (globs, at any depth, in any case) whose values become [REDACTED]; None stands for "
        "the default patterns, which do not apply to variables that are tracked by name.",
    ),
    Key("CHEST_TAGS", {}, value_types.tags, "Constant tags on each record, e.g. service and env."),
    Key("CHEST_FACTS", [], facts, "Further facts that each record has: a list, or 'all'."),
    Key("CHEST_QUERY_NAMES", [], value_types.names, "Parameters that the fact 'query' records."),
    Key(
        "CHEST_SAMPLE_RATE",
        1.0,
        value_types.number(0, 1),
        "Fraction of the records to keep. Errors and slow requests are always kept, even with 0.",
    ),
    Key(
        "CHEST_SLOW_MS",
        None,
        value_types.optional(value_types.number(0)),
        "A request that takes at least this many milliseconds is slow.",
    ),
    Key(
        "CHEST_REQUEST_ID_HEADER",
        "X-Request-ID",
        value_types.header,
        "The header that carries the request id, in the request and in the response.",
    ),
    Key(
        "CHEST_BUFFER",
        "disk",
        value_types.one_of("disk", "memory", "none"),
        "'disk' (journal), 'memory', or 'none' (records are delivered before the response is sent, "
        "and errors are raised).",
    ),
    Key(
        "CHEST_JOURNAL_DIR",
        None,
        value_types.optional(value_types.text),
        "The folder of the journal; default: chest-journal in the instance folder.",
    ),
    Key(
        "CHEST_BUFFER_MAX_BYTES",
        256 * 1024 * 1024,
        value_types.integer(64 * 1024),
        "Size limit of the buffer in bytes. Above it the oldest undelivered records are dropped "
        "and counted as lost.",
    ),
    Key(
        "CHEST_BATCH_SIZE",
        1000,
        value_types.integer(1),
        "Records per batch. A full batch is sent at once.",
    ),
    Key(
        "CHEST_EXPORT_INTERVAL",
        1.0,
        value_types.number(0.05, _MAX_INTERVAL),
        "Seconds after which a batch is sent that is not full.",
    ),
    Key(
        "CHEST_FLUSH",
        "interval",
        value_types.one_of("interval", "request"),
        "'interval' (a batch waits for CHEST_EXPORT_INTERVAL) or 'request' (each request delivers "
        "before its response is sent, for at most CHEST_SHUTDOWN_TIMEOUT seconds; for platforms "
        "that freeze the process between requests).",
    ),
    Key(
        "CHEST_EXPORTER",
        "thread",
        value_types.one_of("thread", "agent"),
        "'thread' (in each serving process) or 'agent' (a process of its own: flask chest agent).",
    ),
    Key(
        "CHEST_EXPORT_TIMEOUT",
        10.0,
        value_types.number(0, _MAX_INTERVAL, above=True),
        "Seconds that one call to a store may take.",
    ),
    Key(
        "CHEST_SHUTDOWN_TIMEOUT",
        2.0,
        value_types.number(0, _MAX_INTERVAL),
        "Seconds that delivery may take at exit; the rest stays in the journal.",
    ),
    Key(
        "CHEST_MAX_VALUE_BYTES",
        8 * 1024,
        value_types.integer(64),
        "Size limit of one value in bytes. A longer value is cut, and marked as cut.",
    ),
    Key(
        "CHEST_MAX_RECORD_BYTES",
        64 * 1024,
        value_types.integer(2048, _MAX_RECORD_BYTES),
        "Size limit of one record in bytes. Variables beyond it are left out, and the record notes "
        "their number.",
    ),
    Key(
        "CHEST_RETENTION",
        None,
        value_types.optional(value_types.retention),
        "How long records are kept, e.g. '30 days'; a plain number is seconds. Stores that support "
        "deletion delete older records.",
    ),
    Key(
        "CHEST_DASHBOARD",
        False,
        value_types.dashboard,
        "Serve the dashboard: True, or a URL prefix such as '/chest'.",
    ),
    Key(
        "CHEST_DASHBOARD_TOKEN",
        None,
        value_types.optional(value_types.dashboard_token),
        "The token that gives access to the dashboard; at least 20 characters. "
        "'flask chest token' makes one.",
        secret=True,
    ),
)

#: Every key by name.
KEYS: dict[str, Key] = {key.name: key for key in _ALL}
