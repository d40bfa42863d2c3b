"""``flask chest prune``: deletes records older than the retention."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

import click
from flask.cli import with_appcontext

from ..chests.base import Chest
from ..config import durations
from ..query.query import Query
from ..query.time_intervals import floor_to_hour
from .command_context import click_errors, current_state, select_chests
from .options import FIRST, chest_option, json_option, yes_option
from .output import print_json, progress


@click.command()
@click.option("--older-than", help="The age, such as '30 days'. Default: CHEST_RETENTION.")
@chest_option("all chests, including those of decorators")
@yes_option
@json_option
@with_appcontext
def prune(older_than: str | None, chest_name: str | None, yes: bool, as_json: bool) -> None:
    """Delete old records, in small batches.

    SQL stores delete whole hours, and keep their hourly and daily aggregates. With an archive, a
    record is deleted from its store only when the archive has it. Without --older-than, the command
    also removes from the archive what is older than CHEST_ARCHIVE_RETENTION.
    """
    before = floor_to_hour(datetime.now(timezone.utc) - timedelta(seconds=_max_age(older_than)))
    chests = select_chests(chest_name)
    if not yes:
        names = ", ".join(chest.name for chest in chests)
        click.confirm(
            f"delete records older than {before:%Y-%m-%d %H:%M} UTC from {names}?", abort=True
        )
    deleted = {chest.name: _prune_chest(chest, before) for chest in chests}
    dropped = {} if older_than else _prune_archives(chests)
    if as_json:
        print_json({"before": before, "deleted": deleted, "archive": dropped})
        return
    for name, number in deleted.items():
        click.echo(f"{name}: {'cannot delete' if number is None else f'{number} deleted'}")
    for name, number in dropped.items():
        click.echo(f"archive of {name}: {number} deleted")


def _prune_archives(chests: Iterable[Chest]) -> dict[str, int]:
    """Remove what CHEST_ARCHIVE_RETENTION allows; return the numbers of records by chest."""
    archives = current_state().archives
    if archives.retention is None:
        return {}
    before = int(datetime.now(timezone.utc).timestamp() - archives.retention)
    found = [each for each in map(archives.of, chests) if each is not None]
    with click_errors():
        return {each.chest.name: each.drop_before(before) for each in found}


def _max_age(older_than: str | None) -> float:
    """Return the age in seconds."""
    if older_than is None:
        retention = current_state().settings.retention
        if retention is None:
            raise click.UsageError("name the age: --older-than '30 days', or set CHEST_RETENTION")
        return retention
    try:
        return durations.seconds(older_than)
    except ValueError as error:
        raise click.BadParameter(f"{older_than!r}: {error}", param_hint="--older-than") from None


def _prune_chest(chest: Chest, before: datetime) -> int | None:
    reader = chest.reader()
    if reader is None:
        return None
    deleted = 0
    try:
        with click_errors():
            expected = reader.count(Query(since=FIRST, until=before))
            with progress(chest.name, expected) as step:
                for number in chest.prune(before, threading.Event()):
                    deleted += number
                    step(number)
    finally:
        reader.close()
    return deleted
