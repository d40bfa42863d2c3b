"""Two sides by side: two versions, two values of anything, or two ranges of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from flask import request

from ..errors import QueryError
from ..query.fields import ROUTE, Field, parse_field
from ..query.filters import Filter
from ..query.query import Query, parse_time
from ..query.reader import Reader
from ..query.summary import Summary
from . import charts
from .charts import Chart
from .params import Params, step_of

# Of so many routes both sides are known; so many of each side's most frequent ones are shown.
_KNOWN, _SHOWN = 1000, 50
_LAST = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two.

    :param label: what it is called.
    :param query: its records.
    """

    label: str
    query: Query


@dataclass(frozen=True, slots=True)
class Row:
    """One route on both sides; ``None`` where a side has no such requests."""

    route: str | None
    one: Summary | None
    other: Summary | None

    @property
    def slower(self) -> float | None:
        """By how much p95 grew, as a share."""
        if self.one is None or self.other is None:
            return None
        before, after = self.one.percentiles[1], self.other.percentiles[1]
        return None if not before or after is None else after / before - 1


def compare_page(reader: Reader, params: Params, drill: str) -> dict[str, Any]:
    """What the page shows.

    :param drill: a URL of requests, as for :class:`~flask_chest.dashboard.charts.Chart`.
    :raises flask_chest.errors.QueryError: it is not said what is to be compared.
    """
    field = request.args.get("field", "tags.version").strip() or "tags.version"
    parsed = parse_field(field)
    context: dict[str, Any] = {
        "field": parsed,
        "known": [],
        "a": request.args.get("a", ""),
        "b": request.args.get("b", ""),
        "a_since": request.args.get("a_since", ""),
        "a_until": request.args.get("a_until", ""),
        "sides": None,
    }
    sides = _sides(params, parsed, context)
    if sides is None:
        values = reader.answer(params.query(by=parsed), 20)
        known = [group.key for group in values.groups if group.key is not None]
        return {**context, "known": known}
    answers = [reader.answer(side.query.grouped(ROUTE), _KNOWN) for side in sides]
    found = [{group.key: group.summary for group in answer.groups} for answer in answers]
    shown = dict.fromkeys(group.key for answer in answers for group in answer.groups[:_SHOWN])
    rows = [Row(key, found[0].get(key), found[1].get(key)) for key in shown]
    rows.sort(key=lambda row: -(row.slower or -1))
    return {
        **context,
        "sides": sides,
        "wholes": [answer.whole for answer in answers],
        "rows": rows,
        "charts": [_chart(reader, sides, drill)],
        "estimated": min(answer.fraction for answer in answers) < 1,
    }


def _sides(params: Params, field: Field, given: dict[str, Any]) -> tuple[Side, Side] | None:
    query = params.query()
    if given["a_since"] or given["a_until"]:
        since = parse_time(given["a_since"], params.now)
        default = since + min(timedelta(seconds=query.seconds), _LAST - since)
        if since < query.since:
            # The page's range begins with an interval, a little before what was asked for.
            default = min(default, query.since)
        until = parse_time(given["a_until"], params.now) if given["a_until"] else default
        before = Query(since=since, until=until, where=query.where)
        return Side("before", before), Side("after", query)
    if not given["a"] and not given["b"]:
        return None
    if given["a"] == given["b"]:
        raise QueryError("both sides are the same; choose two values, or two ranges of time")
    one, other = (
        Side(value or "(none)", query.filtered(Filter(field, "=", value)))
        for value in (given["a"], given["b"])
    )
    return one, other


def _chart(reader: Reader, sides: tuple[Side, Side], drill: str) -> Chart:
    """p95 of both, one above the other, however far apart their ranges are."""
    longest = max(side.query.seconds for side in sides)
    step: float = step_of(longest)
    drawn = [reader.series(side.query, step) for side in sides]
    if (known := max(series.step for series in drawn)) > step:
        step = known  # of one that is long ago only days are known
        drawn = [reader.series(side.query, step) for side in sides]
    starts = max((series.starts for series in drawn), key=len)
    lines = []
    for side, series in zip(sides, drawn, strict=True):
        values = list(charts.percentiles(series)[1][1])
        lines.append((f"{side.label}: p95", values + [None] * (len(starts) - len(values))))
    shown = drawn[1].starts if len(drawn[1].starts) == len(starts) else starts
    return Chart("compared", "Duration: p95", "ms", shown, step, lines, drill=drill)
