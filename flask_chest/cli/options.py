"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar

import click

from ..errors import QueryError
from ..query.fields import Field, parse_field
from ..query.filters import Filter, parse_filters
from ..query.query import DURATION, Query, parse_time

F = TypeVar("F", bound=Callable[..., Any])

#: Before and after everything that can have been recorded.
FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)
LAST = datetime(9000, 1, 1, tzinfo=timezone.utc)


def _filters(_: click.Context, __: click.Parameter, texts: Sequence[str]) -> tuple[Filter, ...]:
    try:
        return parse_filters(texts)
    except QueryError as error:
        raise click.BadParameter(str(error)) from None


def _field(_: click.Context, __: click.Parameter, text: str | None) -> Field | None:
    try:
        return None if text is None else parse_field(text)
    except QueryError as error:
        raise click.BadParameter(str(error)) from None


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_time(text, datetime.now(timezone.utc))
    except QueryError as error:
        raise click.BadParameter(str(error)) from None


where_option = click.option(
    "--where",
    multiple=True,
    callback=_filters,
    metavar="FILTER",
    help="Only such records: user_id=42, 'status>=500', route~orders. Repeat it for more.",
)
by_option = click.option(
    "--by", callback=_field, default="route", show_default=True, help="Group by this."
)
measure_option = click.option(
    "--of", "measure", callback=_field, help="The number to measure; default: duration_ms."
)
chest_option = click.option(
    "--chest", "chest_name", metavar="NAME", help="The chest; default: the first readable one."
)
every_chest_option = click.option(
    "--chest", "chest_name", metavar="NAME", help="The chest; default: all, decorators' among them."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def range_options(since: str) -> Callable[[F], F]:
    """``--since`` and ``--until``.

    :param since: where the range begins by default.
    """

    def decorate(command: F) -> F:
        until = click.option("--until", callback=_moment, help="End of the range; default: now.")
        begin = click.option(
            "--since",
            callback=_moment,
            default=since,
            show_default=True,
            help="Beginning of the range: '2 hours', '2026-11-20', '2026-11-20T14:30+01:00'; "
            "UTC where no zone is named.",
        )
        return begin(until(command))

    return decorate


def make_query(
    since: datetime,
    until: datetime | None,
    where: tuple[Filter, ...],
    by: Field | None = None,
    measure: Field | None = None,
) -> Query:
    """The question that the options ask.

    :raises click.ClickException: the range is empty.
    """
    end = until or datetime.now(timezone.utc)
    try:
        return Query(since=since, until=end, where=where, by=by, measure=measure or DURATION)
    except QueryError as error:
        raise click.ClickException(str(error)) from None
