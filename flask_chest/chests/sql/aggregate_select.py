"""Builds the ``SELECT`` that aggregates records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ...query.query import Query
from ...query.time_slices import TimeSlices
from .dialects import Dialect

#: Sums of greater values may overflow, which is an error in most databases.
HUGE = 1e280


class Aggregate:
    """The SQL queries that aggregate the records of one query.

    :param table: the table of records.
    :param dialect: the SQL dialect of the database.
    :param query: the query.
    :param slices: the parts of the range that are read.
    :param step: length in seconds of an interval, for aggregates over time.
    :param origin: start of the first interval: seconds since 1970; default: that of the query.
    :param where: the conditions of the query's filters.
    """

    def __init__(
        self,
        table: sa.Table,
        dialect: Dialect,
        query: Query,
        slices: TimeSlices,
        step: float | None = None,
        origin: float | None = None,
        where: Sequence[Any] = (),
    ) -> None:
        self._dialect = dialect
        self._query = query
        self.fraction = slices.fraction
        self._step = step
        self._origin = query.first_interval.timestamp() if origin is None else origin
        self._where = where
        self._facts = dialect.within(self._make_facts(table), slices.ranges)

    def aggregates(self, keys: Sequence[str | None] | None = None) -> sa.Select[Any]:
        """One row for each group and value of the measure.

        :param keys: groups to return instead of all groups. Without it, the number of rows is
            limited to one more than :data:`MAX_ROWS`.
        """
        key = self._facts.columns.k
        rows = self._by_value(key, _no_interval(), grouped_by=[key])
        return rows if keys is None else rows.where(self._is_one_of(keys))

    def others(self, keys: Sequence[str | None]) -> sa.Select[Any]:
        """One row for each value of the measure, over all groups but these."""
        rows = self._by_value(sa.null().label("k"), _no_interval(), grouped_by=[])
        return rows.where(self._is_none_of(keys))

    def over_time(self, keys: Sequence[str | None] | None) -> sa.Select[Any]:
        """One row for each group, interval and value of the measure.

        :param keys: groups to return instead of all groups.
        """
        facts = self._facts.columns
        rows = self._by_value(facts.k, facts.b, grouped_by=[facts.k, facts.b])
        return rows if keys is None else rows.where(self._is_one_of(keys))

    def by_bucket(self) -> sa.Select[Any]:
        """One row for each group and bucket of the measure, for rollups."""
        facts = self._facts.columns
        rows = sa.select(
            facts.k,
            facts.bucket,
            *self._counts(),
            # The sum of a bucket of huge values is estimated from its weight.
            sa.func.sum(sa.case((sa.func.abs(facts.x) < HUGE, facts.w * facts.x))).label("s"),
            sa.func.min(facts.x).label("low"),
            sa.func.max(facts.x).label("high"),
        )
        return rows.group_by(facts.k, facts.bucket)

    def top(self, limit: int) -> sa.Select[Any]:
        """The keys of the groups with the highest counts, in the order of
        :func:`~flask_chest.query.aggregation.rank`."""
        key = self._facts.columns.k
        thousandths = self._dialect.floor(sa.func.sum(self._facts.columns.w) * 1000 + 0.5)
        order = thousandths.desc(), key.is_(None), self._dialect.by_code_points(key)
        return sa.select(key).group_by(key).order_by(*order).limit(limit)

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
            self._dialect.bucket(value).label("bucket"),
            (1.0 / columns.sample_rate).label("w"),
            sa.case((failed, 1.0 / columns.sample_rate), else_=0.0).label("e"),
        ).where(*self._where)

    def _by_value(self, key: Any, interval: Any, grouped_by: Sequence[Any]) -> sa.Select[Any]:
        value = self._facts.columns.x
        return sa.select(key, interval, value, *self._counts()).group_by(*grouped_by, value)

    def _counts(self) -> list[Any]:
        facts = self._facts.columns
        return [
            sa.func.count().label("n"),
            sa.func.sum(facts.w).label("w"),
            sa.func.sum(facts.e).label("e"),
        ]

    def _is_one_of(self, keys: Sequence[str | None]) -> Any:
        key = self._facts.columns.k
        listed = key.in_([each for each in keys if each is not None])
        return sa.or_(listed, key.is_(None)) if None in keys else listed

    def _is_none_of(self, keys: Sequence[str | None]) -> Any:
        key = self._facts.columns.k
        unlisted = key.not_in([each for each in keys if each is not None])
        if None in keys:
            return sa.and_(unlisted, key.is_not(None))
        return sa.or_(unlisted, key.is_(None))


def _no_interval() -> Any:
    return sa.literal_column("0").label("b")
