"""The table of all ``CHEST_*`` keys: name, default, allowed values and meaning.

The configuration reference is generated from it. All values are JSON-able, so
``app.config.from_prefixed_env()`` and TOML files can set them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import durations, value_types
from .fact_names import facts
from .measured_libraries import measures

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
        "CHEST_ERRORS",
        "class",
        value_types.one_of("class", "message", "traceback"),
        "How much of an exception is recorded: its class, also its message, or also its traceback.",
    ),
    Key(
        "CHEST_MEASURE",
        [],
        measures,
        "What requests and jobs measure of themselves: 'sqlalchemy', 'requests' (and urllib3), "
        "'httpx', 'redis', 'jinja'.",
    ),
    Key(
        "CHEST_LOGS",
        None,
        value_types.optional(value_types.log_level),
        "The level, e.g. 'warning', from which on a request's log lines are kept with its record.",
    ),
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
        value_types.optional(durations.retention),
        "How long records are kept, e.g. '30 days'; a plain number is seconds. Stores that support "
        "deletion delete older records.",
    ),
    Key(
        "CHEST_ARCHIVE",
        None,
        value_types.archive,
        "Where the archive is: a folder, or a URL such as 's3://bucket/prefix'; False: nowhere. "
        "Default: chest-archive in the instance folder, if the extra 'columns' is installed.",
    ),
    Key(
        "CHEST_ARCHIVE_RETENTION",
        None,
        value_types.optional(durations.retention),
        "How long the archive keeps records, e.g. '1 year'; at least as long as CHEST_RETENTION.",
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
