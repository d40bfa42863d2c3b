"""``flask chest show``: one request, whole."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..query.ndjson import to_line, to_mapping
from ..query.reader import PAGE
from ..record.record import Record
from .context import reading
from .options import chest_option, json_option
from .output import as_text, one_line


@click.command()
@click.argument("request_id")
@chest_option
@json_option
@with_appcontext
def show(request_id: str, chest_name: str | None, as_json: bool) -> None:
    """Show one request with all its values.

    REQUEST_ID is a request's, a record's or a trace's id.
    """
    with reading(chest_name) as reader:
        records = reader.find(request_id, PAGE + 1)
        name = reader.name
    if not records:
        raise click.ClickException(
            f"the chest {name!r} has no record of {one_line(request_id)!r}; one that was just "
            "made is there after CHEST_EXPORT_INTERVAL"
        )
    for number, record in enumerate(records[:PAGE]):
        if as_json:
            click.echo(to_line(record))
            continue
        if number:
            click.echo()
        _print(record)
    if len(records) > PAGE:
        told = f"these are the oldest {PAGE}; for all: flask chest export --where request_id=..."
        click.secho(told, fg="yellow", err=True)


def _print(record: Record) -> None:
    values = to_mapping(record)
    for place in ("vars", "tags"):
        members = values.pop(place)
        values |= {f"{place}.{name}": as_text(value) for name, value in members.items()}
    width = min(40, max(map(len, values)))
    for name, value in values.items():
        label = click.style(one_line(name).ljust(width), bold=True)
        click.echo(f"{label}  {'-' if value is None else one_line(value, 10_000)}")
