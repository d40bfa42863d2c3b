"""Finds the records with errors of a time range, and groups them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ..chests.reader import Reader
from ..query.error_groups import HANDLED_TYPE, ErrorGroup, group_errors
from ..query.fields import Field
from ..query.filter_parsing import Filter
from ..query.query import Query
from ..record.record import Record

_HAS_ERROR = Filter(Field("", "error"), "!=", "")
_HAS_NOTED = Filter(Field("vars", HANDLED_TYPE), "!=", "")
# Records of the range that are searched at most. A variable takes longer to look at than a column.
_MAX_SEARCHED, _MAX_SEARCHED_VARS = 50_000, 10_000
# Records with errors that are read at most, and at once.
_MAX_RECORDS, _PAGE = 2_000, 500


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """The errors of a time range.

    :param groups: the groups, the one that was last seen first.
    :param searched_since: the time from which on the range was searched; ``None`` for all of it.
    :param handled_since: the same for errors that the app has handled.
    """

    groups: list[ErrorGroup]
    searched_since: datetime | None
    handled_since: datetime | None


def search_errors(reader: Reader, query: Query) -> ErrorReport:
    """Return the errors of a query's time range, both unhandled and noted ones.

    A large range is searched from its end, so that the search does not take too long.

    :raises flask_chest.errors.ReadError: the store does not answer.
    """
    failed, searched_since = _search(reader, query, _HAS_ERROR, _MAX_SEARCHED)
    noted, handled_since = _search(reader, query, _HAS_NOTED, _MAX_SEARCHED_VARS)
    found = {record.id: record for record in (*failed, *noted)}
    ordered = sorted(found.values(), key=lambda record: (record.time, record.id), reverse=True)
    return ErrorReport(group_errors(ordered), searched_since, handled_since)


def _search(
    reader: Reader, query: Query, condition: Filter, limit: int
) -> tuple[list[Record], datetime | None]:
    start = reader.scan_start(query, limit)
    part = query.filtered(condition)
    if start is not None:
        part = replace(part, since=max(start, query.since))
    records = list(_newest(reader, part))
    return records, records[-1].time if len(records) >= _MAX_RECORDS else start


def _newest(reader: Reader, query: Query) -> Iterator[Record]:
    after = ""
    for _ in range(_MAX_RECORDS // _PAGE):
        page = reader.page(query, after=after, limit=_PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].id
