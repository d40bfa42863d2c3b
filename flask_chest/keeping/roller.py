"""Sums hours and days up: per route, how many, how many errors, how long, and sums of numbers."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..chests.rollups import DAY, HOUR
from ..reading.aggregate import Aggregate
from ..reading.dialects import DIALECTS
from ..reading.fields import Field
from ..reading.filters import Filter
from ..reading.fold import fold_answer
from ..reading.query import Query
from ..reading.rollup_rows import Sums, from_row, to_row
from ..reading.slices import Slices

if TYPE_CHECKING:
    from ..chests.sql import SQLChest
    from .lease import Lease

#: Variables of one hour that are summed up.
NAMES = 20
_ROUTE = Field("", "route")
_KINDS = {
    True: Filter(Field("", "kind"), "=", "request"),
    False: Filter(Field("", "kind"), "!=", "request"),
}
_EVERYTHING = 1_000_000

#: Late records are looked for so far back from where the last sums end.
LATE = 2 * DAY


class Roller:
    """Makes the sums of one chest.

    :param chest: the chest.
    :param engine: a connection to its database, ours alone.
    """

    def __init__(self, chest: SQLChest, engine: sa.Engine) -> None:
        self._records = chest.records
        self._rollups = chest.rollups
        self._engine = engine
        self._dialect = DIALECTS[engine.dialect.name](chest.records)

    def next_hour(self, after: int) -> int | None:
        """The first hour from then on that has records; ``None`` where there is none.

        :param after: seconds since 1970.
        """
        time = self._records.columns.time
        query = sa.select(time).where(time >= _moment(after)).order_by(time).limit(1)
        with self._engine.connect() as connection:
            found: datetime | None = connection.execute(query).scalar()
        if found is None:
            return None
        return int(found.replace(tzinfo=found.tzinfo or timezone.utc).timestamp()) // HOUR * HOUR

    def is_whole(self, hour: int) -> bool:
        """Whether an hour is summed up with all of its records.

        One that was pruned in part has fewer records than its sums tell of, and stays as it is.
        """
        time, sums = self._records.columns.time, self._rollups.columns
        there = sa.select(sa.func.count()).select_from(self._records)
        there = there.where(time >= _moment(hour), time < _moment(hour + HOUR))
        rolled = sa.select(sa.func.coalesce(sa.func.sum(sums.row_count), 0))
        rolled = rolled.where(sums.step == HOUR, sums.start == hour)
        with self._engine.connect() as connection:
            there_now = connection.execute(there).scalar_one()
            return bool(there_now <= connection.execute(rolled).scalar_one())

    def roll_hour(self, hour: int) -> None:
        """Sum an hour up, anew where it is already."""
        sums = [each for is_request in _KINDS for each in self._sums_of(hour, is_request)]
        self._replace(HOUR, hour, sums)

    def roll_day(self, day: int) -> None:
        """Add up the hours of a day."""
        found: dict[tuple[bool, str | None], Sums] = {}
        columns = self._rollups.columns
        query = sa.select(self._rollups).where(
            columns.step == HOUR, columns.start >= day, columns.start < day + DAY
        )
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                sums = from_row(dict(row._mapping))
                key = sums.is_request, sums.route
                if key in found:
                    found[key].merge(sums)
                else:
                    found[key] = sums
        self._replace(DAY, day, found.values())

    def stale_days(self) -> list[int]:
        """Days that tell of fewer records than their hours do."""
        columns = self._rollups.columns
        day = columns.start - columns.start % DAY
        query = sa.select(columns.step, day.label("day"), sa.func.sum(columns.row_count))
        counts: dict[tuple[int, int], int] = {}
        with self._engine.connect() as connection:
            for step, start, number in connection.execute(query.group_by(columns.step, day)):
                counts[step, int(start)] = int(number)
        return sorted(
            start
            for (step, start), number in counts.items()
            if step == HOUR and number > counts.get((DAY, start), 0)
        )

    def drop(self, step: int, before: int) -> None:
        """Delete sums that are older."""
        columns = self._rollups.columns
        delete = sa.delete(self._rollups).where(columns.step == step, columns.start < before)
        with self._engine.begin() as connection:
            connection.execute(delete)

    def _sums_of(self, hour: int, is_request: bool) -> list[Sums]:
        query = Query(
            since=_moment(hour),
            until=_moment(hour + HOUR),
            where=(_KINDS[is_request],),
            by=_ROUTE,
        )
        whole = Slices(((query.since, query.until),), 1.0)
        aggregate = Aggregate(self._records, self._dialect, query, whole)
        with self._engine.connect() as connection:
            rows = connection.execute(aggregate.figures().limit(None)).all()
            groups = fold_answer(rows, 1.0, _EVERYTHING).groups
            numbers = self._numbers(connection, query) if groups else {}
        return [
            Sums(is_request, group.key, group.summary, numbers.get(group.key, {}))
            for group in groups
        ]

    def _numbers(
        self, connection: sa.Connection, query: Query
    ) -> dict[str | None, dict[str, list[float]]]:
        """By route and variable: weight, sum, least and greatest."""
        columns = self._records.columns
        within = columns.time >= query.since, columns.time < query.until
        newest = sa.select(columns.vars).where(*within).order_by(columns.time.desc()).limit(500)
        names = _numeric_names(connection.execute(newest).scalars())
        if not names:
            return {}
        weight = 1.0 / columns.sample_rate
        figures: list[Any] = []
        for name in names:
            number = self._dialect.number(Field("vars", name))
            figures += [
                sa.func.sum(sa.case((number.is_not(None), weight))),
                sa.func.sum(weight * number),
                sa.func.min(number),
                sa.func.max(number),
            ]
        kind = query.where[0]
        is_kind = columns.kind == kind.value if kind.operator == "=" else columns.kind != kind.value
        sums = sa.select(columns.route, *figures).where(*within, is_kind).group_by(columns.route)
        return {row[0]: _by_name(names, row[1:]) for row in connection.execute(sums)}

    def _replace(self, step: int, start: int, sums: Iterable[Sums]) -> None:
        columns = self._rollups.columns
        rows = [{"id": _identity(step, start, each), **to_row(step, start, each)} for each in sums]
        with self._engine.begin() as connection:
            connection.execute(
                sa.delete(self._rollups).where(columns.step == step, columns.start == start)
            )
            if rows:
                connection.execute(sa.insert(self._rollups), rows)


def _numeric_names(documents: Iterable[Any]) -> list[str]:
    counts: dict[str, int] = {}
    for document in documents:
        for name, value in document.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))[:NAMES]


def _by_name(names: Sequence[str], figures: Sequence[Any]) -> dict[str, list[float]]:
    parts = (figures[start : start + 4] for start in range(0, len(figures), 4))
    pairs = zip(names, parts, strict=True)
    return {name: [float(each) for each in part] for name, part in pairs if part[0] is not None}


def _identity(step: int, start: int, sums: Sums) -> str:
    key = f"{sums.is_request}:{'-' if sums.route is None else '=' + sums.route}"
    # Short, and nobody gains from a collision.
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]
    return f"{step}-{start}-{digest}"


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def roll(
    roller: Roller, lease: Lease, until: int, ended: threading.Event, since: int | None = None
) -> None:
    """Sum up every hour whose records are not in its sums yet, then the days around them.

    :param until: where the last hour ends: seconds since 1970.
    :param ended: set when the process comes to its end.
    :param since: where to begin; by default a little before the last time's end.
    """
    done = lease.rolled_until
    at = max(0, done - LATE) if since is None else since
    while not ended.is_set():
        hour = roller.next_hour(at)
        if hour is None or hour >= until:
            break
        if not roller.is_whole(hour):
            roller.roll_hour(hour)
            if not lease.take():
                return
        at = hour + HOUR
    for day in roller.stale_days():
        roller.roll_day(day)
    if not ended.is_set() and until > done:
        lease.note(until)
