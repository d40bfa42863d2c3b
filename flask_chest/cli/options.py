"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar

import click

from ..errors import QueryError
from ..query.fields import Field, parse_field
from ..query.filter_parsing import Filter, parse_filters
from ..query.query import DURATION, Query, parse_time

F = TypeVar("F", bound=Callable[..., Any])

#: Times before and after every possible record.
FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)
LAST = datetime(9000, 1, 1, tzinfo=timezone.utc)


def _parse_with(
    parse: Callable[[Any], Any],
) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """Make a click callback from a parser that raises :exc:`QueryError`."""

    def callback(_: click.Context, __: click.Parameter, value: Any) -> Any:
        try:
            return None if value is None else parse(value)
        except QueryError as error:
            raise click.BadParameter(str(error)) from None

    return callback


def _parse_time(text: str) -> datetime:
    return parse_time(text, datetime.now(timezone.utc))


where_option = click.option(
    "--where",
    multiple=True,
    callback=_parse_with(parse_filters),
    metavar="FILTER",
    help="Select records: user_id=42, 'status>=500', route~orders. If repeated, all filters apply.",
)
by_option = click.option(
    "--by",
    callback=_parse_with(parse_field),
    default="route",
    show_default=True,
    help="Group by this column, variable or tag.",
)
measure_option = click.option(
    "--of",
    "measure",
    callback=_parse_with(parse_field),
    help="The number to measure. Default: duration_ms.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def chest_option(default: str) -> Callable[[F], F]:
    """Return the option ``--chest``.

    :param default: which chests the command uses without the option, for the help text.
    """
    return click.option(
        "--chest", "chest_name", metavar="NAME", help=f"The chest to use. Default: {default}."
    )


def range_options(since: str) -> Callable[[F], F]:
    """Return the options ``--since`` and ``--until``.

    :param since: the default start of the range.
    """

    def decorate(command: F) -> F:
        until_option = click.option(
            "--until", callback=_parse_with(_parse_time), help="End of the range. Default: now."
        )
        since_option = click.option(
            "--since",
            callback=_parse_with(_parse_time),
            default=since,
            show_default=True,
            help="Start of the range: '2 hours', '2026-11-20' or '2026-11-20T14:30+01:00'. "
            "Times without a zone are UTC.",
        )
        return since_option(until_option(command))

    return decorate


def make_query(
    since: datetime,
    until: datetime | None,
    where: tuple[Filter, ...],
    by: Field | None = None,
    measure: Field | None = None,
) -> Query:
    """Build the query from the values of the options.

    :raises click.ClickException: the range is empty.
    """
    end = until or datetime.now(timezone.utc)
    try:
        return Query(since=since, until=end, where=where, by=by, measure=measure or DURATION)
    except QueryError as error:
        raise click.ClickException(str(error)) from None
