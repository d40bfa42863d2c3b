"""``flask-chest dashboard``: serves the dashboard of a store on this machine."""

from __future__ import annotations

import click
from flask import Flask, request
from flask.cli import with_appcontext

from ..app.state import get_state
from ..dashboard.blueprint import Dashboard
from ..dashboard.request_origin import is_local
from .command_context import current_state
from .local_server import serving
from .termination_signals import wait_for_shutdown

#: The path of the dashboard.
PATH = "/chest/"


@click.command()
@click.option(
    "--port",
    default=5001,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port; 0 lets the system choose one.",
)
@with_appcontext
def dashboard(port: int) -> None:
    """Serve the dashboard of the store.

    It answers browsers on this machine only, without a login, until it receives SIGTERM or SIGINT.
    From another machine, use an SSH tunnel.
    """
    app = add_dashboard(current_state().app)
    with wait_for_shutdown() as wait, serving(app, port) as address:
        click.echo(f"the dashboard is at {address}{PATH}; press Ctrl-C to stop")
        wait()


def add_dashboard(app: Flask) -> Flask:
    """Add a dashboard that only browsers on this machine can see, and return the app."""
    Dashboard(app, get_state(app), lambda: is_local(request)).register()
    return app
