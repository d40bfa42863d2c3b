"""Creates or checks the table in ClickHouse, and sets its retention."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ...record.json_line import FIELDS, from_microseconds, loads, to_microseconds
from ..sql.column_types import Double
from ..sql.table_names import view_name

# Documents are stored as text. ClickHouse's type JSON keeps neither nulls nor empty objects, and
# reads a dot in a name as a path. https://clickhouse.com/docs/sql-reference/data-types/newjson
#
# The rows are sorted by route and then by time. The id at the end of the key makes two rows equal
# to ReplacingMergeTree only if they are one record. Weekly partitions let ClickHouse delete old
# rows without rewriting much.
#
# ClickHouse recognizes a batch that is sent again by its token. A table that is not replicated
# remembers tokens only if the deduplication window is set.
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
_OUR_TTL = re.compile(r"TTL toDateTime\(time\) \+ toIntervalSecond\((\d+)\)(?: |$)")
_TABLE_QUERY = """
SELECT engine, sorting_key, engine_full,
    (SELECT groupArray(name) FROM system.columns
     WHERE database = currentDatabase() AND table = {name}),
    (SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = {view})
FROM system.tables WHERE database = currentDatabase() AND name = {name}
"""
# A Distributed table may have a ReplacingMergeTree behind it.
_DEDUPLICATING = ("ReplacingMergeTree", "Distributed")


class Microseconds(sa.types.TypeDecorator[datetime]):
    """A time with microseconds. ClickHouse reads a literal in whole seconds only."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else to_microseconds(value)

    def bind_expression(self, bindparam: sa.BindParameter[datetime]) -> sa.ColumnElement[Any]:
        return sa.func.fromUnixTimestamp64Micro(sa.func.toInt64(bindparam), "UTC")

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value


class Document(sa.types.TypeDecorator[Any]):
    """A JSON document stored as text. SQLAlchemy's own JSON type may not know this dialect."""

    impl = sa.String
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else loads(value)


def make_table(table: str) -> sa.Table:
    """Return the table's columns for SQLAlchemy's queries."""
    types: dict[str, Any] = {
        "time": Microseconds,
        "status": sa.Integer,
        "duration_ms": Double,
        "sample_rate": Double,
        "vars": Document,
        "tags": Document,
        "bytes_sent": sa.BigInteger,
        "disconnected": sa.Boolean,
    }
    columns = [sa.Column(name, types.get(name, sa.String)) for name in FIELDS]
    return sa.Table(table, sa.MetaData(), *columns)


def create_or_check(client: Any, table: str, retention: float | None) -> tuple[str, str] | None:
    """Create the table and its view, or check the existing table, and set its retention.

    :param client: clickhouse-connect's client; the caller handles its errors.
    :param retention: seconds that rows are kept; ``None`` keeps them forever.
    :returns: a problem of an existing table, and its remedy; ``None`` if the table can be used.
    """
    from clickhouse_connect.driver.exceptions import DatabaseError

    found = _find(client, table)
    if found is None:
        ttl = "" if retention is None else f"TTL {_TTL.format(seconds=int(retention))}"
        client.command(_TABLE.format(table=_quoted(table), ttl=ttl))
        _create_view(client, table)
        return None
    engine, sorting_key, full, columns, has_view = found
    problem = _find_problem(table, engine, sorting_key, columns)
    if problem is not None:
        return problem
    _set_retention(client, table, full, retention)
    if not has_view:
        # Another worker may be creating the view, or this user may lack the permission.
        with suppress(DatabaseError):
            _create_view(client, table)
    return None


def _create_view(client: Any, table: str) -> None:
    client.command(_VIEW.format(table=_quoted(table), view=_quoted(view_name(table))))


def _find(client: Any, table: str) -> tuple[str, str, str, Sequence[str], int] | None:
    names = {"name": f"'{table}'", "view": f"'{view_name(table)}'"}
    rows = client.query(_TABLE_QUERY.format(**names)).result_rows
    return rows[0] if rows else None


def _find_problem(
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
    """Set the table's TTL, unless a user has set a TTL of another form."""
    our_ttl = _OUR_TTL.search(full)
    if retention is None:
        if our_ttl is not None:
            client.command(f"ALTER TABLE {_quoted(table)} REMOVE TTL")
        return
    if our_ttl is None and " TTL " in full:
        return
    if our_ttl is None or int(our_ttl[1]) != int(retention):
        ttl = _TTL.format(seconds=int(retention))
        client.command(f"ALTER TABLE {_quoted(table)} MODIFY TTL {ttl}")


def _quoted(name: str) -> str:
    return f"`{name}`"


@lru_cache(maxsize=256)
def format_second(seconds: int | bytes) -> bytes:
    """Format a second for a UTC column, in the form that every version of ClickHouse reads.

    :param seconds: seconds since 1970, as a number or as digits.
    """
    return from_microseconds(int(seconds) * 1_000_000).strftime("%Y-%m-%d %H:%M:%S").encode()


def format_time(microseconds: int) -> bytes:
    """Format a time for ClickHouse's JSON formats; versions read a number in different units."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return b"%b.%06d" % (format_second(seconds), fraction)
