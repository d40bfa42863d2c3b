"""Inserts encoded records into SQLite."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from ....record.encoding import SHARED, Batch, dumps, loads
from ...batches import json_bodies, replace_nul

# Not "OR IGNORE", which would silently drop a record with a NULL in a NOT NULL column.
_INSERT = 'INSERT INTO "{table}" ({columns}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING'
# Most lines of a batch have the same end. Their beginnings are passed to SQLite as one JSON array,
# which it parses without holding the GIL; rows would be bound one by one with the GIL held. The
# LIMIT keeps SQLite from serializing an object again for each value that is extracted from it.
_INSERT_SHARED = """
INSERT INTO "{table}" ({columns}) SELECT {values}
FROM (SELECT value AS line FROM json_each(?) LIMIT -1) WHERE true ON CONFLICT (id) DO NOTHING
"""
_EXTRACT = "json_extract(line, '$.{name}')"
_TIME = "datetime({us} / 1000000, 'unixepoch') || '.' || substr({us} % 1000000 + 1000000, 2)"
# Fewer lines with the same end are inserted faster as rows.
_MIN_SHARED = 8
# The format of SQLite's date functions, which sorts by time.
_SECONDS = "%Y-%m-%d %H:%M:%S"


class Inserts:
    """The ``INSERT`` statements for one table of records.

    :param table: the name of the table.
    :param columns: the names of its columns.
    :param body_bytes: maximum size of one JSON array in bytes.
    """

    def __init__(self, table: str, columns: Sequence[str], body_bytes: int) -> None:
        self._table = table
        self._columns = columns
        self._body_bytes = body_bytes
        self._insert = _INSERT.format(
            table=table, columns=", ".join(columns), marks=",".join("?" * len(columns))
        )

    def run(self, connection: sa.Connection, lines: Sequence[bytes]) -> None:
        """Insert encoded records; skip records whose id is stored already."""
        others: list[bytes] = []
        for end, beginnings in _by_end(lines).items():
            shared = _decode_end(end) if len(beginnings) >= _MIN_SHARED else None
            if shared is None:
                others += [beginning + end for beginning in beginnings]
            else:
                self._insert_shared(connection, shared, beginnings)
        if others:
            connection.exec_driver_sql(self._insert, _rows(others, self._columns))

    def _insert_shared(
        self, connection: sa.Connection, shared: Mapping[str, Any], beginnings: Sequence[bytes]
    ) -> None:
        bound = [name for name in self._columns if name in shared]
        extracted = [name for name in self._columns if name not in shared]
        statement = _INSERT_SHARED.format(
            table=self._table,
            columns=", ".join(extracted + bound),
            values=", ".join([*map(_extract, extracted), *"?" * len(bound)]),
        )
        values = [_to_parameter(shared[name]) for name in bound]
        objects = Batch([beginning + b"}" for beginning in beginnings])
        for body in json_bodies(objects, self._body_bytes):
            connection.exec_driver_sql(statement, (*values, body.decode()))


def _by_end(lines: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """The beginnings of lines, by the end of the line."""
    groups: dict[bytes, list[bytes]] = {}
    for line in lines:
        position = line.rfind(SHARED)
        groups.setdefault(line[position:], []).append(line[:position])
    return groups


def _decode_end(end: bytes) -> Mapping[str, Any] | None:
    """The fields in the end of lines; ``None`` if the end starts within a value."""
    try:
        fields: dict[str, Any] = loads(replace_nul(b"{" + end[1:]))
    except ValueError:
        return None
    return fields


def _extract(name: str) -> str:
    value = _EXTRACT.format(name=name)
    return _TIME.format(us=value) if name == "time" else value


def _to_parameter(value: Any) -> Any:
    return dumps(value).decode() if isinstance(value, dict) else value


def _rows(lines: Sequence[bytes], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    select = itemgetter(*columns)
    time_at, vars_at, tags_at = (columns.index(name) for name in ("time", "vars", "tags"))
    rows = []
    # Consecutive records mostly share the second and the tags.
    second, text = -1, ""
    tags: dict[str, Any] = {}
    tags_text = "{}"
    for line in lines:
        row = [*select(loads(replace_nul(line)))]
        seconds, microseconds = divmod(row[time_at], 1_000_000)
        if seconds != second:
            second, text = seconds, time.strftime(_SECONDS, time.gmtime(seconds))
        if row[tags_at] != tags:
            tags = row[tags_at]
            tags_text = dumps(tags).decode()
        row[time_at] = f"{text}.{microseconds:06}"
        row[vars_at] = dumps(row[vars_at]).decode()
        row[tags_at] = tags_text
        rows.append(tuple(row))
    return rows
