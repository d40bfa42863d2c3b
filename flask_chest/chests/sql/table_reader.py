"""Reads a table of records through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from ...query.aggregation import (
    MAX_ROWS,
    aggregate_answer,
    aggregate_series,
    biggest_keys,
    limit_lines,
)
from ...query.answer import Answer, Series
from ...query.filter_matching import value_matches
from ...query.filter_parsing import Filter
from ...query.query import Query
from ...query.time_intervals import to_utc
from ...query.time_slices import TimeSlices
from ...record.json_line import FIELDS
from ...record.record import Record
from ..reader import PAGE, SCAN_LIMIT
from ..sampling_reader import SamplingReader
from .aggregate_select import Aggregate
from .dialects import DIALECTS, Dialect
from .filter_conditions import conditions
from .store_protocols import ReadableStore

# Parameters of one query: old versions of SQLite accept at most 999.
_MAX_PARAMETERS = 500


class TableReader(SamplingReader):
    """Reads the table of records of one store, on its own connection.

    :param store: the store.
    """

    def __init__(self, store: ReadableStore) -> None:
        super().__init__(store.name)
        self._store = store
        self._table = store.records
        self._engine = store.make_read_only_engine()
        self._dialect = self._make_dialect()
        self._identity = self._dialect.by_code_points(store.records.columns.id)

    def latest(self, limit: int) -> list[Record]:
        query = sa.select(self._table).order_by(self._table.columns.id.desc()).limit(limit)
        return self._records(query)[::-1]

    def ids_after(self, record_id: str) -> set[str]:
        identity = self._table.columns.id
        return {row.id for row in self._rows(sa.select(identity).where(identity > record_id))}

    def fetch(self, ids: Sequence[str]) -> Iterator[Record]:
        identity = self._table.columns.id
        wanted = sorted(ids)
        for start in range(0, len(wanted), _MAX_PARAMETERS):
            some = identity.in_(wanted[start : start + _MAX_PARAMETERS])
            yield from self._records(sa.select(self._table).where(some).order_by(identity))

    def _find(self, field: str, identity: str, limit: int) -> list[Record]:
        is_equal = self._dialect.equals(self._table.columns[field], identity)
        found = sa.select(self._table).where(is_equal)
        found = found.order_by(self._table.columns.time, self._identity)
        return self._first_records(found, limit)

    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        columns = self._table.columns
        rows = sa.select(self._table).where(*self._where(query))
        if after:
            time = sa.select(columns.time).where(columns.id == after).scalar_subquery()
            earlier = sa.and_(columns.time == time, self._identity < after)
            rows = rows.where(columns.time <= time, sa.or_(columns.time < time, earlier))
        order = columns.time.desc(), self._identity.desc()
        return self._records(rows.order_by(*order).limit(limit))

    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        time = self._table.columns.time
        within = time >= query.since, time < query.until
        rows = sa.select(time).where(*within).order_by(time.desc()).offset(records).limit(1)
        found = self._rows(rows)
        return to_utc(found[0].time) if found else None

    def iter_records(self, query: Query, page: int = 1000) -> Iterator[Record]:
        columns = self._table.columns
        last: tuple[datetime, str] | None = None
        while True:
            rows = sa.select(self._table).where(*self._where(query))
            if last is not None:
                time, identity = last
                later = sa.and_(columns.time == time, self._identity > identity)
                rows = rows.where(columns.time >= time, sa.or_(columns.time > time, later))
            records = self._records(rows.order_by(columns.time, self._identity).limit(page))
            yield from records
            if len(records) < page:
                return
            last = records[-1].time, records[-1].id

    def count(self, query: Query) -> int:
        rows = sa.select(sa.func.count()).select_from(self._table).where(*self._where(query))
        return int(next(iter(self._rows(rows)), (0,))[0])

    def _answer(self, query: Query, slices: TimeSlices, limit: int) -> Answer:
        aggregate = self._aggregate_of(query, slices, None)
        rows = self._groups(query, self._limited(query, aggregate.aggregates()))
        if len(rows) <= MAX_ROWS or not query.may_have_many_groups:
            return aggregate_answer(rows, aggregate.fraction, limit)
        # There are too many groups to aggregate all of them: select the biggest ones first.
        top = [row.k for row in self._rows(aggregate.top(limit))]
        rows = self._groups(query, aggregate.aggregates(top))
        listed = aggregate_answer(rows, aggregate.fraction, limit)
        rest = aggregate_answer(self._rows(aggregate.others(top)), aggregate.fraction, 1).whole
        return Answer(listed.groups, rest, aggregate.fraction, complete=False)

    def _limited(self, query: Query, rows: sa.Select[Any]) -> sa.Select[Any]:
        """Limit the rows of a question whose groups may be as many as its records."""
        return rows.limit(MAX_ROWS + 1) if query.may_have_many_groups else rows

    def _series(
        self,
        query: Query,
        slices: TimeSlices,
        step: float,
        lines: int,
        keys: Sequence[str | None] | None,
    ) -> Series:
        aggregate = self._aggregate_of(query, slices, step)
        rows = self._groups(query, self._limited(query, aggregate.over_time(None)))
        if len(rows) > MAX_ROWS and query.may_have_many_groups:
            top = self._top(query, aggregate, lines, keys)
            rows = self._groups(query, aggregate.over_time(top))
        if query.by is None:
            return aggregate_series(rows, query, step, aggregate.fraction)
        chosen = biggest_keys(rows, lines) if keys is None else keys
        rows = [row for row in rows if row[0] in chosen]
        series = aggregate_series(rows, query, step, aggregate.fraction)
        return limit_lines(series, lines, aggregate.fraction, keys)

    def _top(
        self, query: Query, aggregate: Aggregate, lines: int, keys: Sequence[str | None] | None
    ) -> list[Any] | None:
        """The biggest groups, or those with these spellings, as the database selects them."""
        if query.by is None:
            return None
        limit = lines if keys is None else MAX_ROWS
        found = [row.k for row in self._rows(aggregate.top(limit))]
        if keys is None:
            return found
        return [each for each in found if self._dialect.read_key(query.by, each) in keys]

    def _groups(self, query: Query, select: sa.Select[Any]) -> list[tuple[Any, ...]]:
        """The rows of an aggregate, with the spelling of each group."""
        rows = self._rows(select)
        by = query.by
        if by is None:
            return [tuple(row) for row in rows]
        spellings = {key: self._dialect.read_key(by, key) for key in {row[0] for row in rows}}
        return [(spellings[row[0]], *row[1:]) for row in rows]

    def check(self) -> None:
        self._rows(sa.select(self._table.columns.id).limit(1))

    def exists(self) -> bool:
        return self._try_rows(sa.select(self._table.columns.id).limit(1)) is not None

    def close(self) -> None:
        self._engine.dispose()

    def _make_dialect(self) -> Dialect:
        return DIALECTS[self._engine.dialect.name](self._table)

    def _aggregate_of(
        self, query: Query, slices: TimeSlices, step: float | None, origin: float | None = None
    ) -> Aggregate:
        where = self._conditions(query, slices)
        return Aggregate(self._table, self._dialect, query, slices, step, origin, where)

    def _edges(self, query: Query) -> tuple[datetime, datetime]:
        """The times of the first and the last record of a range."""
        time = self._table.columns.time
        within = sa.select(time).where(time >= query.since, time < query.until).limit(1)
        first, last = (self._rows(within.order_by(order)) for order in (time, time.desc()))
        # Another process may have pruned the records since they were counted.
        begin = to_utc(first[0].time) if first else query.since
        return begin, to_utc(last[0].time) if last else query.until

    def _count_in(self, slices: TimeSlices, limit: int) -> int:
        query = sa.select(self._table.columns.time)
        found = sa.select(self._dialect.within(query, slices.ranges)).limit(limit).subquery()
        rows = self._rows(self._approximate(sa.select(sa.func.count()).select_from(found)))
        return int(rows[0][0]) if rows else 0

    def _approximate(self, query: sa.Select[Any]) -> sa.Select[Any]:
        """Let the database answer a query approximately, if that is faster."""
        return query

    def _where(self, query: Query) -> list[Any]:
        time = self._table.columns.time
        within = [time >= query.since, time < query.until]
        whole = TimeSlices(((query.since, query.until),), 1.0)
        return within + self._conditions(query, whole)

    def _conditions(self, query: Query, slices: TimeSlices) -> list[Any]:
        """The conditions of a query's filters.

        :param slices: the parts of the range in which values are searched that only Python can
            compare.
        """

        def decide(wanted: Filter, is_open: Any) -> Any:
            key = self._dialect.key(wanted.field)
            select = self._dialect.within(sa.select(key.label("k")).where(is_open), slices.ranges)
            distinct = sa.select(select.c.k, self._dialect.encoding()).distinct()
            rows: Sequence[Any] = self._rows(distinct)
            found = [
                raw
                for raw, encoding in rows
                if any(
                    value_matches(self._dialect.read(wanted.field, each), wanted)
                    for each in self._dialect.variants(wanted.field, raw, encoding)
                )
            ]
            return sa.and_(is_open, self._dialect.is_one_of(key, found)) if found else sa.false()

        return conditions(self._table, self._dialect, query.where, decide)

    def _first_records(self, query: sa.Select[Any], limit: int) -> list[Record]:
        return self._records(query.limit(limit))

    def _records(self, query: sa.Select[Any]) -> list[Record]:
        return [_record(row._mapping) for row in self._rows(query)]

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        found = self._try_rows(query)
        return [] if found is None else found  # no table: nothing has been delivered yet

    def _try_rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]] | None:
        """Return the rows of a query; ``None`` if the table does not exist."""
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except exc.SQLAlchemyError as error:
            if self._store.is_missing_table(error):
                return None
            raise self._store.to_read_error(error) from None


def _record(row: Any) -> Record:
    values = {name: row[name] for name in FIELDS}
    values["time"] = to_utc(values["time"])
    return Record(**values)
