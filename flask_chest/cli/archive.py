"""``flask chest archive``: archives everything that is stored and over."""

from __future__ import annotations

import threading

import click
from flask.cli import with_appcontext

from ..archive.store_archive import StoreArchive
from ..errors import ChestError
from ..operations.background_archiving import closed_until
from .command_context import click_errors, current_state, select_chests
from .options import chest_option, json_option
from .output import print_json, progress


@click.command()
@chest_option("all chests that can be read back")
@json_option
@with_appcontext
def archive(chest_name: str | None, as_json: bool) -> None:
    """Write all closed hours to the archive, and check its files.

    The app does this once an hour by itself. The command writes what is missing at once, reads
    every file of the archive, and writes damaged files again from the rows of the store. It can be
    interrupted: what is written stays, and the next run goes on.
    """
    archives = current_state().archives
    if archives.place is None:
        raise click.ClickException(
            'there is no archive: pip install "flask-chest[columns]", and do not set CHEST_ARCHIVE '
            "to False"
        )
    found = [each for each in map(archives.of, select_chests(chest_name)) if each is not None]
    if not found:
        raise click.ClickException(
            "no chest of this app can be archived; SQLite, PostgreSQL, MySQL and MongoDB can"
        )
    with click_errors():
        counts = {each.chest.name: _archive(each) for each in found}
    if as_json:
        print_json({"archived": counts, "place": archives.place})
        return
    for name, number in counts.items():
        click.echo(f"{name}: {number} archived")


def _archive(store: StoreArchive) -> int:
    until = closed_until()
    archived = 0
    with progress(store.chest.name, store.pending(until)) as step:
        try:
            for number in store.archive(until, threading.Event()):
                archived += number
                step(number)
        except KeyboardInterrupt:
            message = f"{store.chest.name}: {archived} archived; run the command again to go on"
            raise ChestError(message) from None
    return archived
