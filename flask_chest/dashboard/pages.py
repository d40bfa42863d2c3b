"""The pages that show records and their figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from ..errors import QueryError
from ..query.aggregation import answer_from_series
from ..query.fields import ROUTE, Field, parse_field
from ..query.filters import Filter
from ..query.ndjson import to_mapping
from ..query.query import Query, parse_time
from ..query.reader import PAGE, Reader
from . import charts
from .charts import Chart
from .compare import compare_page
from .params import RANGES, Params, chosen_chest, query_string, spell_moment, step_of

_TOP = 8
# Of an app; what has no end, such as paths that match none, is no route.
_ROUTES = 1000


class Pages:
    """The views; each reads its whole state from the URL.

    :param reader: gives the store of a request.
    """

    def __init__(self, reader: Callable[[], Reader]) -> None:
        self._reader = reader

    def overview(self) -> ResponseReturnValue:
        """How many, how many errors, how long, and by route."""
        params, reader = Params.of(request.args), self._reader()
        query = params.query()
        # One pass for both: sums of a year are many.
        series = reader.series(query.grouped(ROUTE), step_of(query.seconds), _ROUTES)
        answer = answer_from_series(series, 50)
        counts, errors = charts.rates(series, query)
        drill = _drill(params)
        drawn = [
            Chart(
                "rate",
                "Requests and errors per second",
                "/s",
                series.starts,
                series.step,
                [("requests", counts), ("errors", errors)],
                drill=drill,
                nothing=0,
            ),
            Chart(
                "latency",
                "Duration: p50, p95, p99",
                "ms",
                series.starts,
                series.step,
                charts.percentiles(series),
                drill=drill,
            ),
        ]
        return self._render(
            "overview",
            params,
            charts=drawn,
            answer=answer,
            query=query,
            estimated=answer.fraction < 1,
        )

    def variable(self) -> ResponseReturnValue:
        """One variable, column or tag over time."""
        params, reader = Params.of(request.args), self._reader()
        query = params.query()
        names = reader.names(query)
        wanted = request.args.get("name", "").strip()
        if not wanted:
            return self._render("variable", params, names=names, field=None)
        field = parse_field(wanted)
        numbers = self._numbers(reader, params, field)
        shown_as = request.args.get("as") or ("numbers" if numbers else "words")
        if shown_as == "numbers" and numbers is None:
            raise QueryError(f"{wanted!r} has no numbers in this range; show it as words")
        step = step_of(query.seconds)
        context: dict[str, Any] = {"names": names, "field": field, "shown_as": shown_as}
        if shown_as == "numbers":
            measured = params.query(measure=field)
            series = reader.series(measured, step)
            context |= {"whole": numbers, "charts": _number_charts(field, series, params)}
            fraction = series.fraction
        else:
            grouped = query.grouped(field)
            answer = reader.answer(grouped, 50)
            keys = [group.key for group in answer.groups[:_TOP]]
            series = reader.series(grouped, step, _TOP, keys)
            context |= {"answer": answer, "charts": [_word_chart(field, series, params)]}
            fraction = answer.fraction
        return self._render("variable", params, query=query, estimated=fraction < 1, **context)

    def compare(self) -> ResponseReturnValue:
        """Two versions, two values of anything, or two ranges of time."""
        params = Params.of(request.args)
        context = compare_page(self._reader(), params, _drill(params))
        return self._render("compare", params, **context)

    def requests(self) -> ResponseReturnValue:
        """A page of records, the newest first."""
        params, reader = Params.of(request.args), self._reader()
        query = _exact(params)
        # A filter that hardly any record fulfils: some of the range now, the rest by another click.
        near = reader.scan_start(query) if query.where else None
        after = request.args.get("after", "")[:64]
        records = reader.page(
            query if near is None else replace(query, since=near), after=after, limit=PAGE
        )
        older = None
        if len(records) == PAGE:
            older = params.arguments(after=records[-1].id, **chosen_chest(request.args))
        elif near is not None:
            older = params.arguments(
                until=spell_moment(near.timestamp()), **chosen_chest(request.args)
            )
        return self._render("requests", params, records=records, older=older, near=near)

    def request(self, identity: str) -> ResponseReturnValue:
        """One record, whole; of a request's or a trace's id, all records."""
        records = self._reader().find(identity[:255], PAGE + 1)
        params = Params.of(request.args)
        if not records:
            told = (
                f"there is no record of {identity[:80]!r} in this chest; one that was just made is "
                "there after CHEST_EXPORT_INTERVAL"
            )
            return render_template("flask_chest/error.html", error=told, params=params), 404
        shown = [(record, _facts(to_mapping(record))) for record in records[:PAGE]]
        return self._render("request", params, records=shown, are_more=len(records) > PAGE)

    def _numbers(self, reader: Reader, params: Params, field: Field) -> Any:
        """What it amounts to, where at least half of its values are numbers."""
        try:
            whole = reader.answer(params.query(measure=field)).whole
        except QueryError:
            return None  # a column of words
        if not whole.measured:
            return None
        if not field.document or whole.measured >= whole.count / 2:
            return whole
        is_there = params.query().filtered(Filter(field, "!=", ""))
        there = reader.answer(is_there).whole.count
        return whole if whole.measured >= there / 2 else None

    def _render(self, page: str, params: Params, **context: Any) -> str:
        return render_template(
            f"flask_chest/{page}.html",
            page=page,
            params=params,
            ranges=RANGES,
            chest=chosen_chest(request.args),
            **context,
        )


def _number_charts(field: Field, series: Any, params: Params) -> list[Chart]:
    drill = _drill(params, f"{field}!=")
    lines = [("mean", charts.means(series)), *charts.percentiles(series)]
    return [
        Chart(
            "mean",
            f"{field}: mean and percentiles",
            "",
            series.starts,
            series.step,
            lines,
            drill=drill,
        ),
        Chart(
            "sum",
            f"{field}: sum",
            "",
            series.starts,
            series.step,
            [("sum", charts.sums(series))],
            drill=drill,
        ),
    ]


def _word_chart(field: Field, series: Any, params: Params) -> Chart:
    return Chart(
        "words",
        f"{field}: the most frequent values",
        "",
        series.starts,
        series.step,
        charts.shares(series),
        stacked=True,
        drill=_drill(params),
        nothing=0,
    )


def _drill(params: Params, *more: str) -> str:
    where = tuple(dict.fromkeys((*params.where, *more)))
    return f"{url_for('.requests')}?{query_string({'where': where, **chosen_chest(request.args)})}"


def _exact(params: Params) -> Query:
    """The range as it was asked for: a list has no intervals."""
    query = params.query()
    return replace(query, since=parse_time(params.since, params.now))


def _facts(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in {"vars", "tags"}}
