"""``flask chest agent``: runs delivery in a separate process."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..errors import ChestError
from .command_context import current_state
from .termination_signals import wait_for_shutdown


@click.command()
@with_appcontext
def agent() -> None:
    """Deliver the records of all processes of this app.

    The app sets CHEST_EXPORTER = "agent". Run one agent on each machine that serves the app; it
    runs until it receives SIGTERM or SIGINT.
    """
    state = current_state()
    try:
        exporter = state.build_agent()
    except ChestError as error:
        raise click.ClickException(str(error)) from None
    with wait_for_shutdown() as wait:
        exporter.start()
        click.echo(f"delivering {state.journal_dir} to {', '.join(map(repr, state.chests))}")
        wait(exporter.supervise)  # no request does it here
        exporter.close()
    click.echo("stopped; undelivered records stay in the journal")
