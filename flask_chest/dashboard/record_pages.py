"""The pages that show records: overview, variables, compare, requests, single request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue

from ..chests.reader import PAGE, Reader
from ..errors import QueryError
from ..query.aggregation import answer_from_series
from ..query.answer import Answer, Series, Summary
from ..query.error_groups import STACKTRACE
from ..query.export_ndjson import to_mapping
from ..query.fields import ROUTE, Field, parse_field
from ..query.filter_parsing import Filter
from ..query.formatting import estimate_text
from ..query.query import Query
from ..record.record import Record
from . import charts
from .charts import Chart
from .compare_page import compare_page
from .record_parts import own_frames, time_parts
from .template_filters import short
from .url_params import (
    RANGES,
    Params,
    chest_argument,
    format_time,
    interval_length,
    query_string,
)

_GROUPS = 50
_CHARTED_GROUPS = 8
# Most apps have fewer routes than this. Paths that match no route count as one.
_MAX_ROUTES = 1000


class Pages:
    """The views; each reads its whole state from the URL.

    :param reader: returns the reader that the current request asks for.
    :param render: renders a template.
    """

    def __init__(self, reader: Callable[[], Reader], render: Callable[..., str]) -> None:
        self._reader = reader
        self._render_template = render

    def overview(self) -> ResponseReturnValue:
        """Show the rate, the errors and the latency of requests, in total and by route."""
        params, reader = Params.from_args(request.args), self._reader()
        query = params.query()
        answer, series = _by_route(reader, query, interval_length(query.seconds))
        return self._render(
            "overview",
            params,
            charts=_overview_charts(series, query, _requests_url(params)),
            answer=answer,
            query=query,
            estimated=estimate_text(answer),
        )

    def variable(self) -> ResponseReturnValue:
        """Show a variable, column or tag over time."""
        params, reader = Params.from_args(request.args), self._reader()
        query = params.query()
        names = reader.names(query)
        name = request.args.get("name", "").strip()
        if not name:
            return self._render("variable", params, names=names, field=None)
        field = parse_field(name)
        numbers = self._numbers(reader, params, field)
        shown_as = request.args.get("as") or ("numbers" if numbers else "words")
        if shown_as == "numbers" and numbers is None:
            raise QueryError(f"{name!r} has no numbers in this range; show it as words")
        step = interval_length(query.seconds)
        context: dict[str, Any] = {"names": names, "field": field, "shown_as": shown_as}
        if shown_as == "numbers":
            series = reader.series(params.query(measure=field), step)
            context |= {"whole": numbers, "charts": _number_charts(field, series, query, params)}
            estimated = estimate_text(series)
        else:
            grouped = query.grouped(field)
            answer = reader.answer(grouped, _GROUPS)
            keys = [group.key for group in answer.groups[:_CHARTED_GROUPS]]
            series = reader.series(grouped, step, _CHARTED_GROUPS, keys)
            context |= {"answer": answer, "charts": [_word_chart(field, series, query, params)]}
            estimated = estimate_text(answer)
        return self._render("variable", params, query=query, estimated=estimated, **context)

    def compare(self) -> ResponseReturnValue:
        """Compare two versions, two values of any field, or two time ranges."""
        params = Params.from_args(request.args)
        context = compare_page(self._reader(), params, _requests_url(params))
        return self._render("compare", params, **context)

    def requests(self) -> ResponseReturnValue:
        """List records, newest first."""
        params, reader = Params.from_args(request.args), self._reader()
        query = params.query()
        # A filter may match hardly any record: search a part of the range, and link to the rest.
        is_filtered = query.where and not query.is_for_one_request
        searched_since = reader.scan_start(query) if is_filtered else None
        after = request.args.get("after", "")[:64]
        records = reader.page(
            query if searched_since is None else replace(query, since=searched_since),
            after=after,
            limit=PAGE,
        )
        chest = chest_argument(request.args)
        older = None
        if len(records) == PAGE:
            older = params.arguments(after=records[-1].id, **chest)
        elif searched_since is not None:
            older = params.arguments(until=format_time(searched_since.timestamp()), **chest)
        return self._render(
            "requests", params, records=records, older=older, searched_since=searched_since
        )

    def request(self, identity: str) -> ResponseReturnValue:
        """Show all values of the records with an id: of a record, a request or a trace."""
        records = self._reader().find(identity[:255], PAGE + 1)
        params = Params.from_args(request.args)
        if not records:
            error = (
                f"this chest has no record of {identity[:80]!r}; a new record is stored after "
                "CHEST_EXPORT_INTERVAL"
            )
            return self._render_template("error", error=error, params=params), 404
        shown = [
            (record, _facts(to_mapping(record)), time_parts(record), _trace(record))
            for record in records[:PAGE]
        ]
        return self._render("request", params, records=shown, has_more=len(records) > PAGE)

    def _numbers(self, reader: Reader, params: Params, field: Field) -> Summary | None:
        """Return the summary of a field's numbers, if at least half of its values are numbers."""
        try:
            whole = reader.answer(params.query(measure=field)).whole
        except QueryError:
            return None  # a column of text
        if not whole.measured:
            return None
        if not field.document or whole.measured >= whole.count / 2:
            return whole
        has_value = params.query().filtered(Filter(field, "!=", ""))
        count = reader.answer(has_value).whole.count
        return whole if whole.measured >= count / 2 else None

    def _render(self, page: str, params: Params, **context: Any) -> str:
        return self._render_template(
            page,
            active_page=page,
            params=params,
            ranges=RANGES,
            chest=chest_argument(request.args),
            **context,
        )


def _by_route(reader: Reader, query: Query, step: float) -> tuple[Answer, Series]:
    """Return the answer by route, and a series that covers all routes."""
    grouped = query.grouped(ROUTE)
    if reader.adds_percentiles:
        # One read serves charts and table: a long range has many rollups.
        series = reader.series(grouped, step, _MAX_ROUTES)
        if len(series.lines) < _MAX_ROUTES:  # else it may lack routes
            return answer_from_series(series, _GROUPS), series
    return reader.answer(grouped, _GROUPS), reader.series(query, step)


def _overview_charts(series: Series, query: Query, requests_url: str) -> list[Chart]:
    counts, errors = charts.rates(series, query)
    return [
        Chart(
            "rate",
            "Records and errors per second",
            "/s",
            series.starts,
            series.step,
            query,
            [("records", counts), ("errors", errors)],
            requests_url=requests_url,
            empty_value=0,
        ),
        Chart(
            "latency",
            "Duration: p50, p95, p99",
            "ms",
            series.starts,
            series.step,
            query,
            charts.percentiles(series),
            requests_url=requests_url,
        ),
    ]


def _number_charts(field: Field, series: Series, query: Query, params: Params) -> list[Chart]:
    requests_url = _requests_url(params, f"{field}!=")
    drawn = {
        "mean": (
            "mean and percentiles",
            [("mean", charts.means(series)), *charts.percentiles(series)],
        ),
        "sum": ("sum", [("sum", charts.sums(series))]),
    }
    return [
        Chart(
            name,
            f"{short(str(field))}: {title}",
            "",
            series.starts,
            series.step,
            query,
            lines,
            requests_url=requests_url,
        )
        for name, (title, lines) in drawn.items()
    ]


def _word_chart(field: Field, series: Series, query: Query, params: Params) -> Chart:
    return Chart(
        "words",
        f"{short(str(field))}: the most frequent values",
        "",
        series.starts,
        series.step,
        query,
        charts.value_counts(series),
        stacked=True,
        requests_url=_requests_url(params),
        empty_value=0,
    )


def _requests_url(params: Params, *filters: str) -> str:
    where = tuple(dict.fromkeys((*params.where, *filters)))
    arguments = {"where": where, **chest_argument(request.args)}
    return f"{url_for('.requests')}?{query_string(arguments)}"


def _trace(record: Record) -> list[tuple[str, bool]]:
    text = record.vars.get(STACKTRACE)
    return own_frames(text) if isinstance(text, str) else []


def _facts(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in {"vars", "tags"}}
