"""Reads an SQL chest, through SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import ReadError
from ...query.aggregation import (
    add_to_series,
    aggregate_answer,
    aggregate_series,
    empty_series,
    limit_answer,
    limit_lines,
    subtract_groups,
    summary_at,
)
from ...query.query import Query
from ...query.reader import PAGE, SCAN_LIMIT, Reader, merge_records
from ...query.summary import Answer, Series, Summary
from ...query.time_slices import MAX_RECORDS, SAMPLE_SIZE, SliceCache, TimeSlices, choose_slices
from ...record.encoding import FIELDS
from ...record.record import Record
from .aggregate import GROUPS, Aggregate
from .chest import SQLChest
from .conditions import conditions
from .dialects import DIALECTS, Dialect
from .late_records import DAY
from .rollups.plan import RollupPlan, RollupReader
from .rollups.rows import add_row

# Parameters of one query: SQLite of old took no more than 999.
_AT_ONCE = 500


class ReadableStore(Protocol):
    """What the reader knows of a chest."""

    name: str
    records: sa.Table

    def make_read_only_engine(self) -> sa.Engine:
        """An engine for those who only read."""

    def is_missing_table(self, error: exc.SQLAlchemyError, /) -> bool:
        """Whether a query failed because nothing was delivered yet."""

    def to_read_error(self, error: BaseException) -> ReadError:
        """Turn an error of the driver into one that names the chest and a remedy."""


class SQLReader(Reader):
    """The records of one SQL chest.

    :param chest: the chest; only its address and its table are used, never its connection.
    """

    #: Of so many records all are looked at; of more than that, how many at most.
    max_records, sample_size = MAX_RECORDS, SAMPLE_SIZE

    def __init__(self, chest: ReadableStore) -> None:
        super().__init__(chest.name)
        self._chest = chest
        self._table = chest.records
        self._engine = chest.make_read_only_engine()
        self._dialect = self._make_dialect()
        self._rollups = RollupReader(chest, self._rows) if isinstance(chest, SQLChest) else None
        self._chosen = SliceCache()

    def latest(self, limit: int) -> list[Record]:
        query = sa.select(self._table).order_by(self._table.columns.id.desc()).limit(limit)
        return self._records(query)[::-1]

    def ids_after(self, record_id: str) -> set[str]:
        identity = self._table.columns.id
        return {row.id for row in self._rows(sa.select(identity).where(identity > record_id))}

    def fetch(self, ids: Sequence[str]) -> Iterator[Record]:
        identity = self._table.columns.id
        wanted = sorted(ids)
        for start in range(0, len(wanted), _AT_ONCE):
            some = identity.in_(wanted[start : start + _AT_ONCE])
            yield from self._records(sa.select(self._table).where(some).order_by(identity))

    def find(self, identity: str, limit: int = PAGE) -> list[Record]:
        columns = self._table.columns
        # A record's id may be the request's id of others: of those that it was handed on to.
        own, others = (
            self._find(each, identity, limit) for each in (columns.id, columns.request_id)
        )
        if own or others:
            return merge_records(own, others)[:limit]
        if len(identity) != 32:
            return []  # it has no index: ask only what can be one
        return self._find(columns.trace_id, identity, limit)

    def _find(self, column: sa.Column[Any], identity: str, limit: int) -> list[Record]:
        same = self._dialect.equals(column, identity)
        found = sa.select(self._table).where(same).order_by(self._table.columns.id)
        return self._first(found, limit)

    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        columns = self._table.columns
        rows = sa.select(self._table).where(*self._where(query))
        if after:
            began = sa.select(columns.time).where(columns.id == after).scalar_subquery()
            earlier = sa.and_(columns.time == began, columns.id < after)
            rows = rows.where(columns.time <= began, sa.or_(columns.time < began, earlier))
        order = columns.time.desc(), columns.id.desc()
        return self._records(rows.order_by(*order).limit(limit))

    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        time = self._table.columns.time
        within = time >= query.since, time < query.until
        rows = sa.select(time).where(*within).order_by(time.desc()).offset(records).limit(1)
        found = self._rows(rows)
        return aware(found[0].time) if found else None

    def iter_records(self, query: Query, page: int = 1000) -> Iterator[Record]:
        columns = self._table.columns
        last: tuple[datetime, str] | None = None
        while True:
            rows = sa.select(self._table).where(*self._where(query))
            if last is not None:
                time, identity = last
                later = sa.and_(columns.time == time, columns.id > identity)
                rows = rows.where(columns.time >= time, sa.or_(columns.time > time, later))
            records = self._records(rows.order_by(columns.time, columns.id).limit(page))
            yield from records
            if len(records) < page:
                return
            last = records[-1].time, records[-1].id

    def count(self, query: Query) -> int:
        rows = sa.select(sa.func.count()).select_from(self._table).where(*self._where(query))
        return int(next(iter(self._rows(rows)), (0,))[0])

    def answer(self, query: Query, limit: int = 20) -> Answer:
        plan = self._plan(query)
        if plan is None or self._rollups is None:
            return self._answer(query, limit)
        found: dict[str | None, Summary] = {}
        for row in self._rollups.read(plan, query):
            key = None if query.by is None else row.route
            add_row(found.setdefault(key, Summary()), row, query.measure)
        fraction = 1.0
        for since, until in plan.records:
            part = self._answer(replace(query, since=since, until=until), GROUPS)
            fraction = min(fraction, part.fraction)
            for group in part.groups:
                found.setdefault(group.key, Summary()).merge(group.summary)
        return limit_answer(found, fraction, limit)

    def _answer(self, query: Query, limit: int) -> Answer:
        aggregate = self._aggregate(query)
        rows = self._rows(aggregate.figures())
        if len(rows) < GROUPS:
            return aggregate_answer(rows, aggregate.fraction, limit)
        # Too many values to have figures of each: first which are the most frequent ones.
        top = [row.k for row in self._rows(aggregate.top(limit))]
        found = aggregate_answer(self._rows(aggregate.figures(top)), aggregate.fraction, limit)
        whole = aggregate_answer(
            self._rows(aggregate.figures(together=True)), aggregate.fraction, 1
        ).whole
        return Answer(
            found.groups, subtract_groups(whole, found.groups), aggregate.fraction, complete=False
        )

    def series(
        self, query: Query, step: float, lines: int = 8, keys: Sequence[str | None] | None = None
    ) -> Series:
        plan = self._plan(query, step)
        if plan is None or self._rollups is None:
            return self._series(query, step, lines, keys)
        series = empty_series(replace(query, since=plan.begin), plan.step)
        origin, fraction = plan.begin.timestamp(), 1.0
        for row in self._rollups.read(plan, query):
            key = None if query.by is None else row.route
            place = summary_at(series, key, int((row.start - origin) // plan.step))
            add_row(place, row, query.measure)
        for since, until in plan.records:
            part = replace(query, since=since, until=until)
            slices = self._slices(part)
            aggregate = Aggregate(self._table, self._dialect, part, slices, plan.step, origin)
            add_to_series(series, self._rows(aggregate.over_time(None)), aggregate.fraction)
            fraction = min(fraction, aggregate.fraction)
        return limit_lines(series, lines, fraction, keys)

    def _series(
        self, query: Query, step: float, lines: int, keys: Sequence[str | None] | None
    ) -> Series:
        if query.by is not None and keys is None:
            aggregate = self._aggregate(query)
            keys = [row.k for row in self._rows(aggregate.top(lines))]
        aggregate = self._aggregate(query, step)
        rows = self._rows(aggregate.over_time(keys))
        return aggregate_series(rows, query, step, aggregate.fraction)

    def names(self, query: Query) -> list[str]:
        near = self.scan_start(query) or query.since
        recent = self.page(replace(query, since=near), limit=PAGE * 2)
        return sorted({name for record in recent for name in record.vars})

    def check(self) -> None:
        self._rows(sa.select(self._table.columns.id).limit(1))

    def close(self) -> None:
        self._engine.dispose()

    def _make_dialect(self) -> Dialect:
        return DIALECTS[self._engine.dialect.name](self._table)

    def _plan(self, query: Query, step: float = DAY) -> RollupPlan | None:
        """How sums of hours and days answer a question; ``None`` where they cannot."""
        return None if self._rollups is None else self._rollups.plan(query, step)

    def _aggregate(self, query: Query, step: float | None = None) -> Aggregate:
        slices = self._slices(query)
        return Aggregate(self._table, self._dialect, query, slices, step)

    def _slices(self, query: Query) -> TimeSlices:
        if query.is_for_one_request:
            return TimeSlices(((query.since, query.until),), 1.0)
        return self._chosen.get(
            query,
            lambda: choose_slices(
                query.since,
                query.until,
                self._count_in,
                lambda: self._edges(query),
                max_records=self.max_records,
                sample_size=self.sample_size,
            ),
        )

    def _edges(self, query: Query) -> tuple[datetime, datetime]:
        time = self._table.columns.time
        within = sa.select(time).where(time >= query.since, time < query.until).limit(1)
        first, last = (self._rows(within.order_by(order)) for order in (time, time.desc()))
        # They may have been pruned a moment ago.
        begin = aware(first[0].time) if first else query.since
        return begin, aware(last[0].time) if last else query.until

    def _count_in(self, slices: TimeSlices, limit: int) -> int:
        query = sa.select(self._table.columns.time)
        found = sa.select(self._dialect.within(query, slices.ranges)).limit(limit).subquery()
        counted = self._rows(self._about(sa.select(sa.func.count()).select_from(found)))
        return int(counted[0][0]) if counted else 0

    def _about(self, query: sa.Select[Any]) -> sa.Select[Any]:
        """A question whose answer need not be exact."""
        return query

    def _where(self, query: Query) -> list[Any]:
        time = self._table.columns.time
        within = [time >= query.since, time < query.until]
        return within + conditions(self._table, self._dialect, query.where)

    def _first(self, query: sa.Select[Any], limit: int) -> list[Record]:
        return self._records(query.limit(limit))

    def _records(self, query: sa.Select[Any]) -> list[Record]:
        return [_record(row._mapping) for row in self._rows(query)]

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).all()
        except exc.SQLAlchemyError as error:
            if self._chest.is_missing_table(error):
                return []  # nothing has been delivered yet
            raise self._chest.to_read_error(error) from None


def _record(row: Any) -> Record:
    values = {name: row[name] for name in FIELDS}
    values["time"] = aware(values["time"])
    return Record(**values)


def aware(time: datetime) -> datetime:
    """A time in UTC: that is what a driver means that names no zone.

    PostgreSQL gives times of the zone that its user has.
    """
    return time.replace(tzinfo=time.tzinfo or timezone.utc).astimezone(timezone.utc)
