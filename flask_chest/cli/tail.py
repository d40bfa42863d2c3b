"""``flask chest tail``: records as they come in."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timezone

import click
from flask.cli import with_appcontext

from ..query.filters import Filter
from ..query.ndjson import to_line
from ..query.query import Query
from ..query.reader import Reader
from ..record.record import Record
from .context import reading
from .options import FIRST, LAST, chest_option, json_option, where_option
from .output import as_text, one_line

_POLL = 0.5
# Older records are looked for among so many.
_REACH = 50_000
# Workers deliver in their own time: a record may come in after one that began later.
_LATE = 30
# Characters of a route or an error that are shown.
_LONG = 200


@click.command()
@click.option(
    "-n",
    "--lines",
    default=10,
    show_default=True,
    type=click.IntRange(min=0),
    help="Older records to begin with.",
)
@click.option("--follow/--no-follow", default=True, help="Wait for more.", show_default=True)
@where_option
@chest_option
@json_option
@with_appcontext
def tail(
    lines: int, follow: bool, where: tuple[Filter, ...], chest_name: str | None, as_json: bool
) -> None:
    """Show records as they come in.

    Times are UTC, with the date where that is not today's.
    """
    with reading(chest_name) as reader:
        # Those of the last seconds are not new, however few of them are shown.
        seen = set(_recent(reader, where))
        query = Query(since=FIRST, until=LAST, where=where)
        near = reader.scan_start(query, _REACH) if where else None
        latest = reader.page(replace(query, since=near or FIRST), limit=lines)[::-1]
        seen.update(record.id for record in latest)
        _print(latest, as_json)
        while follow:
            time.sleep(_POLL)  # a store that is polled has no event to wait for
            recent = _recent(reader, where)
            _print(reader.fetch([each for each in recent if each not in seen]), as_json)
            seen = recent


def _recent(reader: Reader, where: tuple[Filter, ...]) -> set[str]:
    begin = int(time.time()) - _LATE
    if not where:
        return reader.ids_after(f"{begin * 1000:012x}")
    since = datetime.fromtimestamp(begin, timezone.utc)
    wanted = reader.iter_records(Query(since=since, until=LAST, where=where))
    return {record.id for record in wanted}


def _print(records: Iterable[Record], as_json: bool) -> None:
    today = datetime.now(timezone.utc).date()
    for record in records:
        click.echo(to_line(record).decode() if as_json else tail_line(record, today))


def tail_line(record: Record, today: date) -> str:
    """One record in one line.

    :param today: the day whose records need no date, UTC.
    """
    moment = record.time.astimezone(timezone.utc)
    spelling = "%H:%M:%S" if moment.date() == today else "%Y-%m-%d %H:%M:%S"
    status = "-" if record.status is None else str(record.status)
    duration = "-" if record.duration_ms is None else f"{record.duration_ms:.1f} ms"
    variables = " ".join(
        f"{one_line(name)}={one_line(as_text(value))}" for name, value in record.vars.items()
    )
    where = one_line(record.route or record.endpoint or "(no route)", _LONG)
    what = f"{one_line(record.method or record.kind):7} {where}"
    parts = [
        click.style(f"{moment:{spelling}}", dim=True),
        click.style(status.rjust(3), fg=_colour(record)),
        what.ljust(36),
        duration.rjust(10),
        click.style(variables, fg="cyan"),
    ]
    if record.error:
        parts.append(click.style(one_line(record.error, _LONG), fg="red"))
    return " ".join(parts).rstrip()


def _colour(record: Record) -> str:
    if record.error is not None or (record.status or 0) >= 500:
        return "red"
    return "yellow" if (record.status or 0) >= 400 else "green"
