"""Erases records from an archive: the parts that hold them are written again without them."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..query.filter_matching import matches
from ..query.filter_parsing import Filter
from ..query.query import Query
from ..record.json_line import to_microseconds
from ..record.record import Record
from .archive import Archive
from .engine import literal, quoted
from .errors import ConflictError
from .manifest import Manifest
from .part_rewriting import rewrite
from .records import iter_records

_TEXT_COLUMNS = ("id", "request_id", "trace_id", "route", "endpoint", "blueprint", "error")


def matching_records(archive: Archive, query: Query) -> Iterator[Record]:
    """Yield the archived records of a query, oldest first within each part."""
    for part in _parts(archive, query):
        yield from _matching(archive, part, query)


def erase(archive: Archive, query: Query) -> Iterator[int]:
    """Erase the records of a query; yield how many were erased from each part that had some.

    The caller holds the lease of the store, so that nobody archives the same records meanwhile.

    :raises ConflictError: another process wrote to the archive all the same.
    """
    while True:
        try:
            yield from _erase(archive, query)
        except ConflictError:
            continue
        return


def drop_before(archive: Archive, before: int) -> int:
    """Remove the parts whose stretch ends before a time; return their number of records.

    :param before: seconds since 1970, UTC.
    """
    snapshot = archive.snapshot()
    old = [part for part in snapshot.parts if part.end <= before]
    if not old:
        return 0
    archive.add(snapshot, old[0].start, max(part.end for part in old), None, old)
    return sum(part.records for part in old)


def _erase(archive: Archive, query: Query) -> Iterator[int]:
    for part in _parts(archive, query):
        with archive.reading([part]):
            ids = [record.id for record in _matching(archive, part, query)]
        if not ids:
            continue
        snapshot = archive.snapshot()
        if part not in snapshot.parts:
            raise ConflictError(f"the archive {archive.storage.root}: another process changed it")
        with archive.reading([part]):
            rewrite(archive, snapshot, [part], part.start, part.end, ids)
        yield len(ids)


def _parts(archive: Archive, query: Query) -> list[Manifest]:
    since, until = to_microseconds(query.since), to_microseconds(query.until)
    return archive.snapshot().between(since, until)


def _matching(archive: Archive, part: Manifest, query: Query) -> Iterator[Record]:
    since, until = to_microseconds(query.since), to_microseconds(query.until)
    where = [f"time >= make_timestamptz({since}) AND time < make_timestamptz({until})"]
    where += [each for each in (_candidates(part, filter_) for filter_ in query.where) if each]
    for record in iter_records(archive, [part], " AND ".join(where)):
        if matches(record, query.where):
            yield record


def _candidates(part: Manifest, condition: Filter) -> str:
    """SQL that at least all matching records fulfil; empty if each record is to be looked at."""
    value = condition.value
    if condition.operator != "=" or value in {"", "null", '""'} or "\\" in value:
        return ""
    field = condition.field
    texts = ", ".join(map(literal, sorted({value, value.strip('"')})))
    if not field.document:
        if field.name == "request_id":
            return f"coalesce(request_id, id) IN ({texts})"
        return f"{quoted(field.name)} IN ({texts})" if field.name in _TEXT_COLUMNS else ""
    found = [f"{quoted(field.document)} IS NOT NULL"]
    for name, kind, column in part.columns.get(field.document, ()):
        if name == field.name:
            found.append(_candidate(quoted(column), kind, texts, value))
    return f"({' OR '.join(found)})"


def _candidate(column: str, kind: str, texts: str, value: str) -> str:
    if kind == "text":
        return f"{column} IN ({texts})"
    if kind in {"int", "num"}:
        try:
            number = float(value)
        except ValueError:
            return "false"
        return f"{column}::DOUBLE = {number!r}::DOUBLE" if math.isfinite(number) else "false"
    return f"{column} IS NOT NULL"
