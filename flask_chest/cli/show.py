"""``flask chest show``: prints all values of one request."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..chests.reader import PAGE
from ..query.export_ndjson import to_line, to_mapping
from ..record.record import Record
from .command_context import open_reader
from .options import chest_option, json_option
from .output import as_text, one_line, print_warning

_MAX_LENGTH = 10_000


@click.command()
@click.argument("request_id")
@chest_option("the first chest that can be read")
@json_option
@with_appcontext
def show(request_id: str, chest_name: str | None, as_json: bool) -> None:
    """Show one request with all its values.

    REQUEST_ID is the id of a request, a record or a trace.
    """
    with open_reader(chest_name) as reader:
        records = reader.find(request_id, PAGE + 1)
        name = reader.name
    if not records:
        raise click.ClickException(
            f"the chest {name!r} has no record of {one_line(request_id)!r}; a new record is "
            "stored after CHEST_EXPORT_INTERVAL"
        )
    for number, record in enumerate(records[:PAGE]):
        if as_json:
            click.echo(to_line(record))
            continue
        if number:
            click.echo()
        _print(record)
    if len(records) > PAGE:
        print_warning(
            f"these are the oldest {PAGE}; for all: flask chest export --where request_id=..."
        )


def _print(record: Record) -> None:
    values = to_mapping(record)
    for place in ("vars", "tags"):
        members = values.pop(place)
        values |= {f"{place}.{name}": as_text(value) for name, value in members.items()}
    width = min(40, max(map(len, values)))
    for name, value in values.items():
        label = click.style(one_line(name).ljust(width), bold=True)
        click.echo(f"{label}  {'-' if value is None else one_line(value, _MAX_LENGTH)}")
