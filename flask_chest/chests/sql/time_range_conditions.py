"""Restricts a query to many time ranges, passed as one parameter.

A hundred separate conditions would cost more than the answer: SQLAlchemy compiles and binds each of
them, and the database parses and plans them, for every query of a page.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.selectable import Join

Ranges = Sequence[tuple[datetime, datetime]]


def in_conditions(query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
    """One condition for each range, for databases that would not use an index otherwise.

    :param query: a query of the table of records.
    :param time: the column of times.
    :param ranges: start and exclusive end of each range; they do not overlap.
    """
    within = (sa.and_(time >= begin, time < end) for begin, end in ranges)
    return query.where(sa.or_(*within)).subquery()


def in_json(query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
    """For SQLite: a JSON array, unpacked by ``json_each``.

    :param query: as for :func:`in_conditions`.
    """
    listed = json.dumps([(_format_time(begin), _format_time(end)) for begin, end in ranges])
    each = sa.func.json_each(listed).table_valued("value")
    begin, end = (sa.func.json_extract(each.c.value, path) for path in ("$[0]", "$[1]"))
    return query.select_from(
        _OrderedJoin(each, time.table, sa.and_(time >= begin, time < end))
    ).subquery()


def in_array(query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
    """For PostgreSQL: two arrays, unpacked by ``unnest``.

    :param query: as for :func:`in_conditions`.
    """
    moments = postgresql.ARRAY(sa.DateTime(timezone=True))
    bounds = (sa.literal(list(each), moments) for each in zip(*ranges, strict=True))
    each = sa.func.unnest(*bounds).table_valued("since", "until").render_derived()
    # The planner cannot know that a range holds few records, and would scan the whole table. It
    # does not flatten a subquery with OFFSET, so each range uses the index.
    part = query.where(time >= each.c.since, time < each.c.until).offset(0).lateral()
    return sa.select(*part.c).select_from(each.join(part, sa.true())).subquery()


class _OrderedJoin(Join):
    """SQLite's ``CROSS JOIN``: scans the left side, and looks up each row in the right one.

    https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join
    """

    inherit_cache = True


@compiles(_OrderedJoin)  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _compile(join: _OrderedJoin, compiler: Any, **options: Any) -> str:
    sql: str = compiler.visit_join(join, **options)
    return sql.replace(" JOIN ", " CROSS JOIN ", 1)


def _format_time(moment: datetime) -> str:
    # The format in which SQLAlchemy stores UTC in SQLite.
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")
