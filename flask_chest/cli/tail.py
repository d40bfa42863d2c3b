"""``flask chest tail``: prints records as they arrive."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timezone

import click
from flask.cli import with_appcontext

from ..chests.reader import Reader
from ..query.export_ndjson import to_line
from ..query.filter_parsing import Filter
from ..query.query import Query
from ..record.record import Record
from .command_context import open_reader
from .options import FIRST, LAST, chest_option, json_option, where_option
from .output import as_text, one_line, print_warning

_POLL_SECONDS = 0.5
# With a filter, earlier records are searched for among this many of the latest ones.
_SEARCHED_RECORDS = 50_000
# A record may arrive after later ones: each worker delivers its own records in its own time.
_MAX_DELAY_SECONDS = 30
# Characters of a route or an error.
_MAX_LENGTH = 200


@click.command()
@click.option(
    "-n",
    "--lines",
    default=10,
    show_default=True,
    type=click.IntRange(min=0),
    help="Number of earlier records to print first.",
)
@click.option("--follow/--no-follow", default=True, show_default=True, help="Wait for new records.")
@where_option
@chest_option("the first chest that can be read")
@json_option
@with_appcontext
def tail(
    lines: int, follow: bool, where: tuple[Filter, ...], chest_name: str | None, as_json: bool
) -> None:
    """Print records as they arrive.

    Times are in UTC. Records of earlier days have a date.
    """
    with open_reader(chest_name) as reader:
        # Records of the last seconds are not new, even if --lines leaves them out.
        seen = set(_recent_ids(reader, where))
        query = Query(since=FIRST, until=LAST, where=where)
        searched_since = _searched_since(reader, query)
        latest = reader.page(replace(query, since=searched_since or FIRST), limit=lines)[::-1]
        seen.update(record.id for record in latest)
        _print(latest, as_json)
        if searched_since is not None and len(latest) < lines:
            print_warning(
                f"searched since {searched_since:%Y-%m-%d %H:%M:%S} only; for earlier records use: "
                "flask chest export --where FILTER"
            )
        while follow:
            time.sleep(_POLL_SECONDS)  # stores have no event to wait for
            recent = _recent_ids(reader, where)
            _print(reader.fetch([each for each in recent if each not in seen]), as_json)
            seen = recent


def _searched_since(reader: Reader, query: Query) -> datetime | None:
    """Return where the search for earlier records starts; ``None`` for the oldest record."""
    if not query.where or query.is_for_one_request:
        return None  # an index finds them
    return reader.scan_start(query, _SEARCHED_RECORDS)


def _recent_ids(reader: Reader, where: tuple[Filter, ...]) -> set[str]:
    begin = int(time.time()) - _MAX_DELAY_SECONDS
    if not where:
        return reader.ids_after(f"{begin * 1000:012x}")
    since = datetime.fromtimestamp(begin, timezone.utc)
    records = reader.iter_records(Query(since=since, until=LAST, where=where))
    return {record.id for record in records}


def _print(records: Iterable[Record], as_json: bool) -> None:
    today = datetime.now(timezone.utc).date()
    for record in records:
        click.echo(to_line(record).decode() if as_json else tail_line(record, today))


def tail_line(record: Record, today: date) -> str:
    """Format a record as one line.

    :param today: the current day in UTC; records of other days get a date.
    """
    moment = record.time.astimezone(timezone.utc)
    time_format = "%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M:%S"
    status = "-" if record.status is None else str(record.status)
    duration = "-" if record.duration_ms is None else f"{record.duration_ms:.1f} ms"
    variables = " ".join(
        f"{one_line(name)}={one_line(as_text(value))}" for name, value in record.vars.items()
    )
    route = one_line(record.route or record.endpoint or "(no route)", _MAX_LENGTH)
    request = f"{one_line(record.method or record.kind):7} {route}"
    parts = [
        click.style(f"{moment:{time_format}}", dim=True),
        click.style(status.rjust(3), fg=_colour(record)),
        request.ljust(36),
        duration.rjust(10),
        click.style(variables, fg="cyan"),
    ]
    if record.error:
        parts.append(click.style(one_line(record.error, _MAX_LENGTH), fg="red"))
    return " ".join(parts).rstrip()


def _colour(record: Record) -> str:
    if record.error is not None or (record.status or 0) >= 500:
        return "red"
    return "yellow" if (record.status or 0) >= 400 else "green"
