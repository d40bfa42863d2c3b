"""``flask chest stats``: counts, rates and percentiles, by route or by anything else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from flask.cli import with_appcontext

from ..query.aggregation import answer_from_series
from ..query.fields import ROUTE, Field
from ..query.filters import Filter
from ..query.matching import format_number
from ..query.query import DURATION, Query
from ..query.reader import Reader
from ..query.summary import Answer, Summary
from . import output as table
from .context import reading
from .options import (
    by_option,
    chest_option,
    json_option,
    make_query,
    measure_option,
    range_options,
    where_option,
)
from .output import fits, one_line, print_json, sparkline

_BARS = 24
_UNITS = {"s": 1, "min": 60, "h": 3600}


@click.command()
@by_option
@measure_option
@range_options("1 day")
@where_option
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200), help="Rows.")
@chest_option
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
    """Counts, rates and percentiles by route or anything else.

    Groups are made by any column (method, status, ...), variable or tag. The trend goes from the
    beginning of the range to its end, and is left out where a terminal is too narrow for it.

    Records are counted by their sample rates. Percentiles are within 2 % of the true ones.
    """
    query = make_query(since, until, where, by, measure)
    with reading(chest_name) as reader:
        answer, trends = _figures(reader, query, limit)
    if as_json:
        _print_json(query, answer, trends)
        return
    if not answer.groups:
        click.echo("no such records" if answer.fraction == 1 else _none_seen(answer.fraction))
        return
    shown = _table(query, answer, trends)
    click.echo(shown if fits(shown) else _table(query, answer, None))
    if answer.is_scattered:
        click.echo("nearly every record has a value of its own; these are some of them", err=True)
    if answer.fraction == 1:
        _warn_of_nothing(query, answer)
    else:
        told = f"estimated from {answer.whole.rows:,} records, spread evenly over the range"
        click.echo(told, err=True)


def _figures(
    reader: Reader, query: Query, limit: int
) -> tuple[Answer, dict[str | None, list[float]]]:
    step = query.seconds / _BARS
    if query.by == ROUTE:
        # One pass for both: sums of a year are many, routes are few.
        series = reader.series(query, step, 1000)
        answer = answer_from_series(series, limit)
    else:
        answer = reader.answer(query, limit)
        series = reader.series(query, step, limit, [group.key for group in answer.groups])
    trends = {key: [each.count for each in line] for key, line in series.lines.items()}
    return answer, trends


def _none_seen(fraction: float) -> str:
    return (
        f"no such records in the {fraction:.2%} of the range that was read; ask for a shorter one"
    )


def _warn_of_nothing(query: Query, answer: Answer) -> None:
    # A name that was mistyped, most of the time: it looks like a store with nothing in it.
    if [group.key for group in answer.groups] == [None]:
        click.secho(f"none of these records has a {query.by}", fg="yellow", err=True)
    if query.measure != DURATION and not any(group.summary.measured for group in answer.groups):
        click.secho(f"none of these records has a number {query.measure}", fg="yellow", err=True)


def _table(query: Query, answer: Answer, trends: dict[str | None, list[float]] | None) -> str:
    summed = () if query.measure == DURATION else ("sum",)
    per, seconds = _pace(max(group.summary.count for group in answer.groups) / query.seconds)
    mean = "mean ms" if query.measure == DURATION else "mean"
    header = (str(query.by), "count", f"per {per}", "errors", mean, *summed, "p50", "p95", "p99")
    header += () if trends is None else ("trend",)
    rows = []
    for group in answer.groups:
        key = "(none)" if group.key is None else one_line(group.key or '""')
        trend = [] if trends is None else [sparkline(trends.get(group.key, []))]
        rows.append([*_row(key, query, group.summary, seconds), *trend])
    if answer.rest.count:
        rest = _row("(others)", query, answer.rest, seconds)
        rows.append(rest if trends is None else [*rest, ""])
    return table.render(header, rows)


def _pace(per_second: float) -> tuple[str, float]:
    """The unit in which a rate is one or more, and its seconds."""
    for unit, seconds in _UNITS.items():
        if per_second * seconds >= 1:
            return unit, seconds
    return "day", 86400


def _row(key: str, query: Query, summary: Summary, seconds: float) -> list[Any]:
    share = summary.errors / summary.count if summary.count else 0
    summed = [] if query.measure == DURATION else [format_number(summary.total)]
    return [
        key,
        format_number(round(summary.count)),
        format_number(summary.count / query.seconds * seconds),
        f"{share:.1%}",
        format_number(summary.mean),
        *summed,
        *map(format_number, summary.percentiles),
    ]


def _print_json(query: Query, answer: Answer, trends: dict[str | None, list[float]]) -> None:
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
