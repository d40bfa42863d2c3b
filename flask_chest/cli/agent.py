"""``flask chest agent``: delivery in a process of its own."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..errors import ChestError
from .context import current_held
from .shutdown import ending


@click.command()
@with_appcontext
def agent() -> None:
    """Deliver for all processes of this app, until told to end.

    For CHEST_EXPORTER = "agent"; run it beside them, one on each machine.
    """
    held = current_held()
    try:
        exporter = held.agent()
    except ChestError as error:
        raise click.ClickException(str(error)) from None
    with ending() as wait:
        exporter.start()
        click.echo(f"delivering {held.journal_dir} to {', '.join(map(repr, held.chests))}")
        wait()
        exporter.close()
    click.echo("ended; what was not delivered waits in the journal")
