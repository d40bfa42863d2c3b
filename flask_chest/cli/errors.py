"""``flask chest errors``: groups the errors of a time range, or prints one of them whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import click
from flask.cli import with_appcontext

from ..operations.error_search import ErrorReport, search_errors
from ..query.error_groups import ErrorGroup
from ..query.filter_parsing import Filter
from ..query.formatting import format_number
from .command_context import open_reader
from .options import chest_option, json_option, make_query, range_options, where_option
from .output import one_line, print_json, print_warning, render_table

_HEADER = ("group", "error", "count", "users", "first", "last", "route", "message")


@click.command()
@click.argument("group", required=False)
@range_options("7 days")
@where_option
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Maximum number of groups.",
)
@chest_option("the first chest that can be read")
@json_option
@with_appcontext
def errors(
    group: str | None,
    since: datetime,
    until: datetime | None,
    where: tuple[Filter, ...],
    limit: int,
    chest_name: str | None,
    as_json: bool,
) -> None:
    """Group errors: the same error of all releases is one line.

    With GROUP, the first column of a line or the beginning of it, the newest error of that group is
    shown whole. Errors of the latest release that no other release of the range has are new.
    CHEST_ERRORS decides what is recorded of an error.
    """
    query = make_query(since, until, where)
    with open_reader(chest_name) as reader:
        report = search_errors(reader, query)
    if group is not None:
        report = replace(report, groups=_matching(report, group))
    shown = report.groups[:limit]
    if as_json:
        print_json(
            {
                "since": report.searched_since or query.since,
                "until": query.until,
                "groups": [_to_dict(each) for each in shown],
            }
        )
        return
    if group is not None:
        _print_whole(report.groups[0])
    elif shown:
        click.echo(render_table(_HEADER, [_row(each) for each in shown]))
    else:
        click.echo("no errors")
    _print_notes(report, limit)


def _matching(report: ErrorReport, key: str) -> list[ErrorGroup]:
    found = [each for each in report.groups if each.key.startswith(key)]
    if len(found) == 1:
        return found
    if not found:
        raise click.ClickException(
            f"there is no error {one_line(key)!r} in this range; see: flask chest errors"
        )
    raise click.ClickException(
        f"{len(found)} errors begin with {one_line(key)!r}; write more of it"
    )


def _print_notes(report: ErrorReport, limit: int) -> None:
    for since, what in (
        (report.searched_since, "the range"),
        (report.handled_since, "for handled errors, the range"),
    ):
        if since is not None:
            print_warning(f"{what} was searched since {since:%Y-%m-%d %H:%M:%S} UTC only")
    if len(report.groups) > limit:
        print_warning(f"{len(report.groups) - limit} more groups; see --limit")


def _row(group: ErrorGroup) -> list[Any]:
    record = group.latest
    marks = [word for word, holds in (("new", group.is_new), ("handled", group.handled)) if holds]
    name = one_line(group.error) + (f" ({', '.join(marks)})" if marks else "")
    return [
        one_line(group.key, 16),
        name,
        format_number(round(group.count)),
        format_number(len(group.users)),
        f"{group.first:%Y-%m-%d %H:%M}",
        f"{group.last:%Y-%m-%d %H:%M}",
        one_line(record.route or record.endpoint or "(none)"),
        one_line(group.message or "-"),
    ]


def _print_whole(group: ErrorGroup) -> None:
    header = _HEADER[:-1]
    width = max(map(len, header))
    for name, cell in zip((*header, "request"), [*_row(group)[:-1], group.latest.id], strict=True):
        click.echo(f"{click.style(name.ljust(width), bold=True)}  {cell}")
    versions = ", ".join(sorted(one_line(each) for each in group.versions if each))
    if versions:
        click.echo(f"{click.style('releases'.ljust(width), bold=True)}  {versions}")
    text = group.stacktrace or group.message
    if text:
        click.echo()
        for line in text.splitlines():
            click.echo(one_line(line, 10_000))
    lines = group.latest.vars.get("log.lines")
    if isinstance(lines, list):
        click.echo()
        for each in lines:
            click.echo(one_line(each, 10_000))


def _to_dict(group: ErrorGroup) -> dict[str, Any]:
    record = group.latest
    return {
        "group": group.key,
        "error": group.error,
        "count": group.count,
        "users": len(group.users),
        "first": group.first,
        "last": group.last,
        "new": group.is_new,
        "handled": group.handled,
        "versions": sorted(group.versions - {""}),
        "route": record.route,
        "message": group.message,
        "stacktrace": group.stacktrace,
        "record": record.id,
    }
