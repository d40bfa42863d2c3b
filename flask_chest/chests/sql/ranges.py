"""Ranges of time as one parameter: a condition for each of a hundred costs more than its answer.

Here each is a handful of objects that SQLAlchemy makes, walks and binds, and there a part of the
statement that the database parses and plans, for each of a page's questions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles

Ranges = Sequence[tuple[datetime, datetime]]


def in_words(query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
    """A condition for each range, for databases that would not use an index otherwise.

    :param query: a query of the table of records.
    :param time: the column that the ranges are of.
    :param ranges: from, to before; none overlaps another.
    """
    within = (sa.and_(time >= begin, time < end) for begin, end in ranges)
    return query.where(sa.or_(*within)).subquery()


def in_json(query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
    """SQLite: a list that ``json_each`` takes apart.

    :param query: as for :func:`in_words`.
    """
    listed = json.dumps([(_stored(begin), _stored(end)) for begin, end in ranges])
    each = sa.func.json_each(listed).table_valued("value")
    begin, end = (sa.func.json_extract(each.c.value, place) for place in ("$[0]", "$[1]"))
    return query.select_from(
        _InOrder(each, time.table, sa.and_(time >= begin, time < end))
    ).subquery()


def in_array(query: sa.Select[Any], time: sa.Column[Any], ranges: Ranges) -> sa.Subquery:
    """PostgreSQL: two arrays that ``unnest`` takes apart.

    :param query: as for :func:`in_words`.
    """
    moments = postgresql.ARRAY(sa.DateTime(timezone=True))
    bounds = (sa.literal(list(each), moments) for each in zip(*ranges, strict=True))
    each = sa.func.unnest(*bounds).table_valued("since", "until").render_derived()
    # It cannot know how little a range holds, and would rather go through the whole table. What has
    # an OFFSET is done as it is written: range by range, each through the index.
    part = query.where(time >= each.c.since, time < each.c.until).offset(0).lateral()
    return sa.select(*part.c).select_from(each.join(part, sa.true())).subquery()


class _InOrder(sa.Join):
    """SQLite's ``CROSS JOIN``: the left side is gone through, and the right one looked up.

    https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join
    """

    inherit_cache = True


@compiles(_InOrder)  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _spell(join: _InOrder, compiler: Any, **options: Any) -> str:
    words: str = compiler.visit_join(join, **options)
    return words.replace(" JOIN ", " CROSS JOIN ", 1)


def _stored(moment: datetime) -> str:
    # As SQLAlchemy stores UTC there.
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")
