"""The table in ClickHouse: how it is made, whether one that is there serves, its retention."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ...record.encoding import FIELDS, from_microseconds, loads, to_microseconds
from ..sql.chest import view_name

# Documents are text: of the type JSON, ClickHouse keeps neither a null nor an empty object, and
# reads a name with a dot in it as a path. https://clickhouse.com/docs/sql-reference/data-types/newjson
#
# Records of one route lie together, by time. The id at the end makes what came twice the same row
# to ReplacingMergeTree, and nothing else. By the week, what is older goes without much rewriting.
#
# Batches that were sent again as they were are known by their token, and never stored twice; how
# many of them a table on one server remembers, it has to be told.
_TABLE = """
CREATE TABLE IF NOT EXISTS {table} (
    id String CODEC(ZSTD(1)),
    time DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    kind LowCardinality(String),
    request_id String CODEC(ZSTD(1)),
    trace_id Nullable(String) CODEC(ZSTD(1)),
    method LowCardinality(Nullable(String)),
    route LowCardinality(Nullable(String)),
    endpoint LowCardinality(Nullable(String)),
    blueprint LowCardinality(Nullable(String)),
    status Nullable(Int32),
    duration_ms Nullable(Float64),
    error LowCardinality(Nullable(String)),
    sample_rate Float64,
    vars String CODEC(ZSTD(1)),
    tags LowCardinality(String),
    bytes_sent Nullable(Int64),
    disconnected Nullable(Bool),
    INDEX ix_id id TYPE minmax,
    INDEX ix_request_id request_id TYPE bloom_filter,
    INDEX ix_trace_id trace_id TYPE bloom_filter
)
ENGINE = ReplacingMergeTree
PARTITION BY toMonday(time)
ORDER BY (route, time, id)
{ttl}
SETTINGS allow_nullable_key = 1, non_replicated_deduplication_window = 1000
"""
_VIEW = """
CREATE VIEW IF NOT EXISTS {view} AS
SELECT id AS record_id, time, request_id, pair.1 AS name,
    multiIf(JSONType(pair.2) = 'String', JSONExtractString(pair.2),
        JSONType(pair.2) = 'Null', NULL, pair.2) AS value
FROM {table} FINAL
ARRAY JOIN JSONExtractKeysAndValuesRaw(vars) AS pair
"""
_TTL = "toDateTime(time) + toIntervalSecond({seconds})"
_OURS = re.compile(r"TTL toDateTime\(time\) \+ toIntervalSecond\((\d+)\)(?: |$)")
_FOUND = """
SELECT engine, sorting_key, engine_full,
    (SELECT groupArray(name) FROM system.columns
     WHERE database = currentDatabase() AND table = {name}),
    (SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = {view})
FROM system.tables WHERE database = currentDatabase() AND name = {name}
"""
# A Distributed table has the engine behind it.
_DEDUPLICATING = ("ReplacingMergeTree", "Distributed")

#: The oldest version whose settings and statements these are.
OLDEST = (24, 8)


class Moment(sa.types.TypeDecorator[datetime]):
    """A time, to the microsecond. As a literal, ClickHouse would take whole seconds only."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else to_microseconds(value)

    def bind_expression(self, bindparam: sa.BindParameter[datetime]) -> sa.ColumnElement[Any]:
        return sa.func.fromUnixTimestamp64Micro(sa.func.toInt64(bindparam), "UTC")

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value


class Document(sa.types.TypeDecorator[Any]):
    """The text of a JSON document, read back. Not every SQLAlchemy's JSON knows this dialect."""

    impl = sa.String
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else loads(value)


def records_of(table: str) -> sa.Table:
    """The table as it is asked: documents are read from their text."""
    kinds: dict[str, Any] = {
        "time": Moment,
        "status": sa.Integer,
        "duration_ms": sa.Double,
        "sample_rate": sa.Double,
        "vars": Document,
        "tags": Document,
        "bytes_sent": sa.BigInteger,
        "disconnected": sa.Boolean,
    }
    columns = [sa.Column(name, kinds.get(name, sa.String)) for name in FIELDS]
    return sa.Table(table, sa.MetaData(), *columns)


def make_or_check(client: Any, table: str, retention: float | None) -> tuple[str, str] | None:
    """See that the table and its view are there, and that it has the retention.

    :param client: clickhouse-connect's; its errors are the caller's.
    :returns: what is wrong with a table of that name, and what to do; ``None`` where it serves.
    """
    from clickhouse_connect.driver.exceptions import DatabaseError

    found = _find(client, table)
    if found is None:
        ttl = "" if retention is None else f"TTL {_TTL.format(seconds=int(retention))}"
        client.command(_TABLE.format(table=_quoted(table), ttl=ttl))
        _make_view(client, table)
        return None
    engine, sorting_key, full, columns, has_view = found
    wrong = _what_is_wrong(table, engine, sorting_key, columns)
    if wrong is not None:
        return wrong
    _set_retention(client, table, full, retention)
    if not has_view:
        # Another worker is about to make it, or died before; or this user may not.
        with suppress(DatabaseError):
            _make_view(client, table)
    return None


def read_version(text: str) -> tuple[int, ...]:
    """``"24.8.14.39"`` and the like."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _make_view(client: Any, table: str) -> None:
    client.command(_VIEW.format(table=_quoted(table), view=_quoted(view_name(table))))


def _find(client: Any, table: str) -> tuple[str, str, str, Sequence[str], int] | None:
    names = {"name": f"'{table}'", "view": f"'{view_name(table)}'"}
    rows = client.query(_FOUND.format(**names)).result_rows
    return rows[0] if rows else None


def _what_is_wrong(
    table: str, engine: str, sorting_key: str, columns: Sequence[str]
) -> tuple[str, str] | None:
    missing = [name for name in FIELDS if name not in columns]
    if missing:
        reason = f"a table {table!r} with other columns is there already"
        return reason, f"it lacks {', '.join(missing)}; give this chest another 'table'"
    if not engine.endswith(_DEDUPLICATING):
        reason = f"the table {table!r} has the engine {engine}, which keeps what is sent twice"
        return reason, "make it a ReplacingMergeTree, or give this chest another 'table'"
    if sorting_key and "id" not in re.findall(r"\w+", sorting_key):
        reason = f"the table {table!r} is ordered by {sorting_key}: records would replace others"
        return reason, "end its ORDER BY with id, or give this chest another 'table'"
    return None


def _set_retention(client: Any, table: str, full: str, retention: float | None) -> None:
    """Of a TTL that somebody wrote by hand, nothing is changed."""
    ours = _OURS.search(full)
    if retention is None:
        if ours is not None:
            client.command(f"ALTER TABLE {_quoted(table)} REMOVE TTL")
        return
    if ours is None and " TTL " in full:
        return
    if ours is None or int(ours[1]) != int(retention):
        ttl = _TTL.format(seconds=int(retention))
        client.command(f"ALTER TABLE {_quoted(table)} MODIFY TTL {ttl}")


def _quoted(name: str) -> str:
    return f"`{name}`"


@lru_cache(maxsize=256)
def spell_second(seconds: int | bytes) -> bytes:
    """A second as every version of ClickHouse reads it, in a column of UTC.

    :param seconds: since 1970, in digits where they are at hand.
    """
    return from_microseconds(int(seconds) * 1_000_000).strftime("%Y-%m-%d %H:%M:%S").encode()


def spell_time(microseconds: int) -> bytes:
    """A time as ClickHouse's JSON formats read it: versions differ in what a number means."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return b"%b.%06d" % (spell_second(seconds), fraction)
