"""The console script ``flask-chest``: reads any store without importing the app that wrote it."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import ScriptInfo

from .command_context import click_errors
from .dashboard import dashboard
from .export import export
from .read_only_app import open_store
from .show import show
from .stats import stats
from .tail import tail


@click.group()
@click.option(
    "--chest",
    "url",
    metavar="URL",
    envvar="FLASK_CHEST",
    help="The store, as in CHEST_CHESTS: sqlite:///chest.db. A URL with a password is visible in "
    "the list of processes; the environment variable FLASK_CHEST is not.",
)
@click.pass_context
def main(context: click.Context, url: str | None) -> None:
    """Read the records in a store, without the app that wrote them.

    It changes no record, and creates no database and no table.
    """

    def create_app() -> Flask:
        if not url:
            raise click.UsageError(
                "name the store before the command: "
                f"flask-chest --chest sqlite:///chest.db {context.invoked_subcommand}"
            )
        with click_errors():
            return open_store(url)

    # The commands load their app from this, as they do under `flask`.
    context.obj = ScriptInfo(create_app=create_app, set_debug_flag=False)


for _command in (dashboard, export, show, stats, tail):
    main.add_command(_command)
