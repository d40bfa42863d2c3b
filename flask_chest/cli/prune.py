"""``flask chest prune``: delete what is older than the retention."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta, timezone

import click
from flask.cli import with_appcontext

from ..chests.base import Chest
from ..config import validators as checks
from ..query.query import Query
from ..query.time_slices import floor_to_hour
from .context import chosen_chests, current_state, told_errors
from .options import FIRST, every_chest_option, json_option, yes_option
from .output import print_json, progress


@click.command()
@click.option("--older-than", help="E.g. '30 days'; default: CHEST_RETENTION.")
@every_chest_option
@yes_option
@json_option
@with_appcontext
def prune(older_than: str | None, chest_name: str | None, yes: bool, as_json: bool) -> None:
    """Delete old records, in small batches.

    Of SQL stores whole hours go, and what they amount to stays: see CHEST_RETENTION.
    """
    before = floor_to_hour(datetime.now(timezone.utc) - timedelta(seconds=_seconds(older_than)))
    chests = chosen_chests(chest_name)
    if not yes:
        names = ", ".join(each.name for each in chests)
        click.confirm(
            f"delete what is older than {before:%Y-%m-%d %H:%M} UTC: {names}?", abort=True
        )
    told = {each.name: _prune(each, before) for each in chests}
    if as_json:
        print_json({"before": before, "deleted": told})
        return
    for name, gone in told.items():
        click.echo(f"{name}: {'deletes nothing' if gone is None else f'{gone} deleted'}")


def _seconds(older_than: str | None) -> float:
    if older_than is None:
        retention = current_state().settings.retention
        if retention is None:
            raise click.UsageError("say how old: --older-than '30 days', or set CHEST_RETENTION")
        return retention
    try:
        return checks.seconds(older_than)
    except ValueError as error:
        raise click.BadParameter(f"{older_than!r}: {error}", param_hint="--older-than") from None


def _prune(chest: Chest, before: datetime) -> int | None:
    reader = chest.reader()
    if reader is None:
        return None
    gone = 0
    try:
        with told_errors():
            number = reader.count(Query(since=FIRST, until=before))
            with progress(chest.name, number) as step:
                for batch in chest.prune(before, threading.Event()):
                    gone += batch
                    step(batch)
    finally:
        reader.close()
    return gone
