"""``flask chest agent``: delivery in a process of its own."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..errors import ChestError
from .context import current_state
from .shutdown import ending


@click.command()
@with_appcontext
def agent() -> None:
    """Deliver for all processes of this app, until told to end.

    For CHEST_EXPORTER = "agent"; run it beside them, one on each machine.
    """
    state = current_state()
    try:
        exporter = state.agent()
    except ChestError as error:
        raise click.ClickException(str(error)) from None
    with ending() as wait:
        exporter.start()
        click.echo(f"delivering {state.journal_dir} to {', '.join(map(repr, state.chests))}")
        wait()
        exporter.close()
    click.echo("ended; what was not delivered waits in the journal")
