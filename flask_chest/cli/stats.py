"""``flask chest stats``: counts, rates and percentiles by route or any other field."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from flask.cli import with_appcontext

from ..chests.reader import Reader
from ..query.aggregation import answer_from_series
from ..query.answer import Answer, Summary
from ..query.fields import ROUTE, Field
from ..query.filter_parsing import Filter
from ..query.formatting import count_text, estimate_text, format_number, percentile_texts
from ..query.query import DURATION, Query
from .command_context import open_reader
from .options import (
    by_option,
    chest_option,
    json_option,
    make_query,
    measure_option,
    range_options,
    where_option,
)
from .output import fits, one_line, print_json, print_warning, render_table, sparkline

_BARS = 24
# A series of more routes may lack some.
_MAX_ROUTES = 1000
_UNITS = {"s": 1, "min": 60, "h": 3600}

#: Counts per interval, by the value that records are grouped by.
_Trends = dict[str | None, list[float]]


@click.command()
@by_option
@measure_option
@range_options("1 day")
@where_option
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 200),
    help="Maximum number of rows.",
)
@chest_option("the first chest that can be read")
@json_option
@with_appcontext
def stats(
    by: Field,
    measure: Field | None,
    since: datetime,
    until: datetime | None,
    where: tuple[Filter, ...],
    limit: int,
    chest_name: str | None,
    as_json: bool,
) -> None:
    """Show counts, rates and percentiles by route or any other field.

    The trend covers the whole range; a terminal that is too narrow does not show it. Counts take
    the sample rate of each record into account. Percentiles are values that occurred; those of
    deleted records are within 2 % of such a value.
    """
    query = make_query(since, until, where, by, measure)
    with open_reader(chest_name) as reader:
        answer, trends = _ask(reader, query, limit)
    if as_json:
        _print_json(query, answer, trends)
        return
    if not answer.groups:
        click.echo(_nothing_found(answer.fraction))
        return
    table = _render(query, answer, trends)
    click.echo(table if fits(table) else _render(query, answer, None))
    _print_notes(query, answer)


def _ask(reader: Reader, query: Query, limit: int) -> tuple[Answer, _Trends]:
    step = query.seconds / _BARS
    is_one_question = query.by == ROUTE and reader.adds_percentiles
    if is_one_question:
        # Rollups of a year are many rows, routes are few: read the rollups only once.
        series = reader.series(query, step, _MAX_ROUTES)
        answer = answer_from_series(series, limit)
    if not is_one_question or len(series.lines) >= _MAX_ROUTES:
        answer = reader.answer(query, limit)
        series = reader.series(query, step, limit, [group.key for group in answer.groups])
    trends = {key: [each.count for each in line] for key, line in series.lines.items()}
    return answer, trends


def _nothing_found(fraction: float) -> str:
    if fraction == 1:
        return "no such records"
    return (
        f"no such records in the {fraction:.2%} of the range that was searched; shorten the range"
    )


def _print_notes(query: Query, answer: Answer) -> None:
    if answer.is_scattered:
        click.echo("nearly every record has a different value; these are some of them", err=True)
    if answer.fraction < 1:
        click.echo(estimate_text(answer), err=True)
        return
    # A mistyped name looks like an empty store.
    if [group.key for group in answer.groups] == [None]:
        print_warning(f"none of these records has a {query.by}")
    if query.measure != DURATION and not any(group.summary.measured for group in answer.groups):
        print_warning(f"none of these records has a number in {query.measure}")


def _render(query: Query, answer: Answer, trends: _Trends | None) -> str:
    sum_column = () if query.measure == DURATION else ("sum",)
    unit, seconds = _rate_unit(max(group.summary.count for group in answer.groups) / query.seconds)
    mean = "mean ms" if query.measure == DURATION else "mean"
    header = (str(query.by), "count", f"per {unit}", "errors", mean, *sum_column)
    header += ("p50", "p95", "p99") + (() if trends is None else ("trend",))
    rows = []
    for group in answer.groups:
        key = "(none)" if group.key is None else one_line(group.key or '""')
        trend = [] if trends is None else [sparkline(trends.get(group.key, []))]
        rows.append([*_row(key, query, group.summary, seconds), *trend])
    if answer.rest.count:
        others = _row("(others)", query, answer.rest, seconds)
        rows.append(others if trends is None else [*others, ""])
    return render_table(header, rows)


def _rate_unit(per_second: float) -> tuple[str, float]:
    """Return the shortest unit of time in which a rate is at least 1, and its seconds."""
    for unit, seconds in _UNITS.items():
        if per_second * seconds >= 1:
            return unit, seconds
    return "day", 86400


def _row(key: str, query: Query, summary: Summary, seconds: float) -> list[Any]:
    error_rate = summary.errors / summary.count if summary.count else 0
    total = summary.total if summary.measured else None
    sum_column = [] if query.measure == DURATION else [format_number(total)]
    return [
        key,
        count_text(summary),
        format_number(summary.count / query.seconds * seconds),
        f"{error_rate:.1%}",
        format_number(summary.mean),
        *sum_column,
        *percentile_texts(summary),
    ]


def _print_json(query: Query, answer: Answer, trends: _Trends) -> None:
    groups = [
        {
            "key": group.key,
            **group.summary.to_dict(query.seconds),
            "trend": trends.get(group.key, []),
        }
        for group in answer.groups
    ]
    print_json(
        {
            "by": str(query.by),
            "of": str(query.measure),
            "since": query.since,
            "until": query.until,
            "groups": groups,
            "others": answer.rest.to_dict(query.seconds),
            "looked_at": answer.fraction,
        }
    )
