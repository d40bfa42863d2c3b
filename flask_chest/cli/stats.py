"""``flask chest stats``: counts, rates and percentiles, by route or by anything else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from flask.cli import with_appcontext

from .. import table
from ..reading.fields import Field
from ..reading.filters import Filter
from ..reading.fold import answer_of
from ..reading.query import DURATION, Query
from ..reading.reader import Reader
from ..reading.summary import Answer, Summary
from .current import reading
from .options import (
    by_option,
    chest_option,
    json_option,
    make_query,
    measure_option,
    range_options,
    where_option,
)
from .output import figure, one_line, print_json, sparkline

_BARS = 24
_ROUTE = Field("", "route")


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
    """Counts, rates and percentiles by route, or by any column, variable or tag.

    Records are counted by their sample rates. Percentiles are within 2 % of the true ones.
    """
    query = make_query(since, until, where, by, measure)
    with reading(chest_name) as reader:
        answer, trends = _figures(reader, query, limit)
    if as_json:
        _print_json(query, answer, trends)
        return
    if not answer.groups:
        click.echo("no such records")
        return
    click.echo(_table(query, answer, trends))
    if answer.is_scattered:
        click.echo("nearly every record has a value of its own; these are some of them", err=True)
    if answer.share < 1:
        told = f"estimated from {answer.whole.rows:,} records, spread evenly over the range"
        click.echo(told, err=True)


def _figures(
    reader: Reader, query: Query, limit: int
) -> tuple[Answer, dict[str | None, list[float]]]:
    step = query.seconds / _BARS
    if query.by == _ROUTE:
        # One pass for both: sums of a year are many, routes are few.
        series = reader.series(query, step, 1000)
        answer = answer_of(series, limit)
    else:
        answer = reader.answer(query, limit)
        series = reader.series(query, step, limit, [group.key for group in answer.groups])
    trends = {key: [each.count for each in line] for key, line in series.lines.items()}
    return answer, trends


def _table(query: Query, answer: Answer, trends: dict[str | None, list[float]]) -> str:
    summed = () if query.measure == DURATION else ("sum",)
    header = (str(query.by), "count", "per s", "errors", "mean", *summed)
    header += ("p50", "p95", "p99", "trend")
    rows = []
    for group in answer.groups:
        key = "(none)" if group.key is None else one_line(group.key)
        rows.append(_row(key, query, group.summary, sparkline(trends.get(group.key, []))))
    if answer.rest.count:
        rows.append(_row("(others)", query, answer.rest, ""))
    return table.render(header, rows)


def _row(key: str, query: Query, summary: Summary, trend: str) -> list[Any]:
    share = summary.errors / summary.count if summary.count else 0
    summed = [] if query.measure == DURATION else [figure(summary.total)]
    return [
        key,
        figure(round(summary.count)),
        figure(summary.count / query.seconds),
        f"{share:.1%}",
        figure(summary.mean),
        *summed,
        *map(figure, summary.percentiles),
        trend,
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
            "looked_at": answer.share,
        }
    )
