"""The compare page: two values of a field, or two time ranges, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from flask import request

from ..chests.reader import Reader
from ..errors import QueryError
from ..query.aggregation import answer_from_series
from ..query.answer import Answer, Summary
from ..query.fields import ROUTE, Field, parse_field
from ..query.filter_parsing import Filter
from ..query.formatting import estimate_text
from ..query.query import Query, parse_time
from ..record.json_line import EPOCH
from . import charts
from .charts import Chart
from .template_filters import short
from .url_params import Params, interval_length

# Routes per side that are compared, and the most frequent ones of each side that are shown.
_MAX_ROUTES, _SHOWN_ROUTES = 1000, 50
_MAX_TIME = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two sides.

    :param label: its heading.
    :param query: selects its records.
    """

    label: str
    query: Query


@dataclass(frozen=True, slots=True)
class Row:
    """One route on both sides; a summary is ``None`` if that side has no such requests."""

    route: str | None
    before: Summary | None
    after: Summary | None

    @property
    def growth(self) -> float | None:
        """The relative change of p95: 0.5 is 50 % slower."""
        if self.before is None or self.after is None:
            return None
        before, after = self.before.percentiles[1], self.after.percentiles[1]
        return None if not before or after is None else after / before - 1


def compare_page(reader: Reader, params: Params, requests_url: str) -> dict[str, Any]:
    """Return the template's context.

    :param requests_url: see :class:`~flask_chest.dashboard.charts.Chart`.
    :raises flask_chest.errors.QueryError: the URL does not name two different sides.
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
    answers = [reader.answer(side.query.grouped(ROUTE), _MAX_ROUTES) for side in sides]
    shown = dict.fromkeys(group.key for each in answers for group in each.groups[:_SHOWN_ROUTES])
    before, after = (
        _by_route(reader, side, answer, shown) for side, answer in zip(sides, answers, strict=True)
    )
    rows = [Row(key, before.get(key), after.get(key)) for key in shown]
    rows.sort(key=lambda row: -(row.growth or -1))
    return {
        **context,
        "sides": sides,
        "wholes": [answer.whole for answer in answers],
        "rows": rows,
        "charts": [_chart(reader, sides, requests_url)],
        "estimated": estimate_text(min(answers, key=lambda answer: answer.fraction)),
    }


def _by_route(
    reader: Reader, side: Side, answer: Answer, shown: Iterable[str | None]
) -> dict[str | None, Summary]:
    """Return the summaries of a side, with an empty one for each shown route that it lacks."""
    found = {group.key: group.summary for group in answer.groups}
    missing = [key for key in shown if key not in found]
    if missing and not answer.complete:
        query = side.query.grouped(ROUTE)
        series = reader.series(query, query.seconds, len(missing), missing)
        rest = answer_from_series(series, len(missing))
        found |= {group.key: group.summary for group in rest.groups}
    return found


def _sides(params: Params, field: Field, context: dict[str, Any]) -> tuple[Side, Side] | None:
    if context["a_since"] or context["a_until"]:
        return _two_ranges(params, context["a_since"], context["a_until"])
    if not context["a"] and not context["b"]:
        return None
    if context["a"] == context["b"]:
        raise QueryError("both sides are the same; choose two values, or two ranges of time")
    query = params.query()
    before, after = (
        Side(value or "(none)", query.filtered(Filter(field, "=", value)))
        for value in (context["a"], context["b"])
    )
    return before, after


def _two_ranges(params: Params, since_text: str, until_text: str) -> tuple[Side, Side]:
    query = params.query()
    since = parse_time(since_text, params.now)
    if until_text:
        until = parse_time(until_text, params.now)
    else:
        until = since + min(query.until - query.since, _MAX_TIME - since)
    # The intervals of both ranges begin equally long before the range: the chart draws the lines
    # over each other.
    lead = min(query.since - query.first_interval, since - EPOCH)
    earlier = Query(since=since, until=until, where=query.where, origin=since - lead)
    return Side("before", earlier), Side("after", query)


def _chart(reader: Reader, sides: tuple[Side, Side], requests_url: str) -> Chart:
    """Draw p95 of both sides over each other, even if their ranges are far apart."""
    longest = max(side.query.seconds for side in sides)
    step: float = interval_length(longest)
    drawn = [reader.series(side.query, step) for side in sides]
    if (stored_step := max(series.step for series in drawn)) > step:
        step = stored_step  # for old ranges, stores have daily aggregates only
        drawn = [reader.series(side.query, step) for side in sides]
    starts = max((series.starts for series in drawn), key=len)
    lines = []
    for side, series in zip(sides, drawn, strict=True):
        values = list(charts.percentiles(series)[1][1])
        lines.append((f"{short(side.label)}: p95", values + [None] * (len(starts) - len(values))))
    shown = 1 if len(drawn[1].starts) == len(starts) else 0
    return Chart(
        "compared",
        "Duration: p95",
        "ms",
        drawn[shown].starts,
        step,
        sides[shown].query,
        lines,
        requests_url=requests_url,
    )
