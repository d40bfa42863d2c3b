"""``flask chest try``: serves somebody's app unchanged, and shows what a chest would record."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import click
from flask import Flask
from flask.cli import ScriptInfo

from ..app.decorated_views import all_decorations
from ..extension import FlaskChest
from .command_context import click_errors
from .dashboard import PATH, add_dashboard
from .local_server import serving
from .output import FACTS_HINT
from .read_only_app import make_store_app
from .termination_signals import wait_for_shutdown

_port_type = click.IntRange(0, 65535)


@click.command("try")
@click.option(
    "--port", default=5000, show_default=True, type=_port_type, help="The port of the app."
)
@click.option(
    "--dashboard-port",
    default=5001,
    show_default=True,
    type=_port_type,
    help="The port of the dashboard.",
)
@click.option("--keep", is_flag=True, help="Keep the journal and the store.")
@click.option(
    "--open/--no-open",
    "in_browser",
    default=None,
    help="Open the dashboard in a browser. Default: if there is a screen and a terminal.",
)
@click.pass_context
def try_(
    context: click.Context, port: int, dashboard_port: int, keep: bool, in_browser: bool | None
) -> None:
    """Serve an app that has no chest, and show what one would record.

    The app stays unchanged. Journal and store are in a temporary folder, and every fact is
    recorded. Ctrl-C ends the server and removes the folder.
    """
    app = _load_app(context)
    _refuse_recorded(app)
    with _temporary_folder(keep) as folder, wait_for_shutdown() as wait:
        with click_errors():
            chest = attach_chest(app, folder)
            store = add_dashboard(make_store_app(_store_url(folder)))
        try:
            with (
                serving(app, port, log_requests=True) as address,
                serving(store, dashboard_port) as dashboard_address,
            ):
                click.echo(f"the app {app.name!r} is at {address}/; press Ctrl-C to stop")
                click.echo(f"what it records is at  {dashboard_address}{PATH}")
                if _has_screen() if in_browser is None else in_browser:
                    click.launch(f"{dashboard_address}{PATH}")
                wait()
        finally:
            chest.close()
            [account] = chest.of(app).delivery.ledger().accounts.values()
            click.echo(f"{account.captured} requests recorded, with all facts; {FACTS_HINT}")


def attach_chest(app: Flask, folder: Path) -> FlaskChest:
    """Record an app that has no ``FlaskChest``, with everything in one folder.

    :raises ConfigError: a ``CHEST_*`` key of the app is wrong.
    """
    config: dict[str, Any] = {
        "CHEST_ENABLED": True,
        "CHEST_CHESTS": [_store_url(folder)],
        "CHEST_BUFFER": "disk",
        "CHEST_JOURNAL_DIR": str(folder / "journal"),
        "CHEST_EXPORTER": "thread",
        "CHEST_EXPORT_INTERVAL": 0.2,
        "CHEST_SAMPLE_RATE": 1.0,
        "CHEST_FACTS": "all",
        "CHEST_DASHBOARD": False,
    }
    app.config.update(config)
    return FlaskChest(app)


def _store_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'chest.db'}"


def _load_app(context: click.Context) -> Flask:
    try:
        app = context.ensure_object(ScriptInfo).load_app()
    except click.ClickException:
        raise
    except Exception as error:  # noqa: BLE001 - the code of any app runs here
        kind, line = type(error).__name__, str(error).partition("\n")[0]
        raise click.ClickException(
            f"the app could not be loaded: {kind}: {line}; `flask routes` shows the traceback"
        ) from None
    if not isinstance(app, Flask):
        raise click.ClickException(f"{type(app).__name__} is not a Flask app")
    return app


def _refuse_recorded(app: Flask) -> None:
    if "chest" in app.extensions:
        raise click.ClickException(
            f"the app {app.name!r} has a FlaskChest already, which records to its own chests; run "
            "it as usual, and see: flask chest tail, flask chest stats"
        )
    if any(decoration.chests for decoration in all_decorations(app)):
        raise click.ClickException(
            f"views of the app {app.name!r} write to their own chests by @flask_chest; run it as "
            "usual, and see: flask chest tail"
        )


@contextmanager
def _temporary_folder(keep: bool) -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="flask-chest-"))
    try:
        yield folder
    finally:
        if keep:
            click.echo(f"kept; read it again: flask-chest --chest {_store_url(folder)} stats")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _has_screen() -> bool:
    # Without a screen, a browser that draws text would take over the terminal.
    screen = sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    return bool(screen) and sys.stdout.isatty()
