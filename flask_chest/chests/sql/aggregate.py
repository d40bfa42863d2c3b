"""The ``SELECT`` that makes figures of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ...query.query import Query
from ...query.time_slices import TimeSlices
from .conditions import conditions
from .dialects import Dialect

#: Groups of one answer, each with all its buckets.
GROUPS = 20_000
#: From here on a sum of values may be beyond what a float can be, which most databases refuse.
HUGE = 1e280


class Aggregate:
    """Figures of a question, computed by the database.

    :param table: the table of records.
    :param dialect: its database's spelling.
    :param query: the question.
    :param slices: where to look.
    :param step: seconds of an interval, for figures over time.
    :param origin: where the first interval begins; by default with the question's range.
    """

    def __init__(
        self,
        table: sa.Table,
        dialect: Dialect,
        query: Query,
        slices: TimeSlices,
        step: float | None = None,
        origin: float | None = None,
    ) -> None:
        self._dialect = dialect
        self._query = query
        self.fraction = slices.fraction
        self._step = step
        self._origin = query.since.timestamp() if origin is None else origin
        self._facts = dialect.within(self._make_facts(table), slices.ranges)

    def figures(
        self, keys: Sequence[str | None] | None = None, *, together: bool = False
    ) -> sa.Select[Any]:
        """One row for each group and bucket.

        :param keys: these groups only.
        :param together: make one group of all.
        """
        facts = self._facts.columns
        key = sa.null().label("k") if together else facts.k
        grouping = [facts.code] if together else [facts.k, facts.code]
        nothing: Any = sa.literal_column("0").label("b")
        figures = sa.select(key, nothing, facts.code, *self._sums()).group_by(*grouping)
        if keys is not None:
            figures = figures.where(self._is_one_of(keys))
        return figures.limit(GROUPS)

    def over_time(self, keys: Sequence[str | None] | None) -> sa.Select[Any]:
        """One row for each group, interval and bucket."""
        facts = self._facts.columns
        figures = sa.select(facts.k, facts.b, facts.code, *self._sums())
        if keys is not None:
            figures = figures.where(self._is_one_of(keys))
        return figures.group_by(facts.k, facts.b, facts.code)

    def top(self, limit: int) -> sa.Select[Any]:
        """The groups with the highest counts."""
        facts = self._facts.columns
        count = sa.func.sum(facts.w)
        return sa.select(facts.k).group_by(facts.k).order_by(count.desc(), facts.k).limit(limit)

    def _make_facts(self, table: sa.Table) -> sa.Select[Any]:
        columns, query = table.columns, self._query
        value = self._dialect.number(query.measure)
        failed = sa.or_(columns.error.is_not(None), columns.status >= 500)
        key = sa.null() if query.by is None else self._dialect.key(query.by)
        interval: Any = sa.literal_column("0")
        if self._step is not None:
            interval = self._dialect.interval(self._origin, self._step)
        return sa.select(
            key.label("k"),
            interval.label("b"),
            value.label("x"),
            self._dialect.code(value).label("code"),
            (1.0 / columns.sample_rate).label("w"),
            sa.case((failed, 1.0 / columns.sample_rate), else_=0.0).label("e"),
        ).where(*conditions(table, self._dialect, query.where))

    def _sums(self) -> list[Any]:
        facts = self._facts.columns
        return [
            sa.func.count().label("n"),
            sa.func.sum(facts.w).label("w"),
            sa.func.sum(facts.e).label("e"),
            # Of a bucket of huge values its weight tells what they amount to.
            sa.func.sum(sa.case((sa.func.abs(facts.x) < HUGE, facts.w * facts.x))).label("s"),
            sa.func.min(facts.x).label("low"),
            sa.func.max(facts.x).label("high"),
        ]

    def _is_one_of(self, keys: Sequence[str | None]) -> Any:
        key = self._facts.columns.k
        listed = key.in_([each for each in keys if each is not None])
        return sa.or_(listed, key.is_(None)) if None in keys else listed
