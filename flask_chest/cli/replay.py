"""``flask chest replay``: sends dead letters again."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..app.state import AppState
from ..chests.base import Chest
from ..operations.replay import Replay
from .command_context import click_errors, current_state, select_chests
from .options import json_option
from .output import print_json, print_warning, progress


@click.command()
@click.argument("name", required=False)
@json_option
@with_appcontext
def replay(name: str | None, as_json: bool) -> None:
    """Send rejected records again.

    The command sends the dead letters of the chest NAME; without NAME, those of all chests.
    """
    state = current_state()
    failures = []
    for chest in select_chests(name):
        done = _replay_chest(state, chest)
        if as_json:
            print_json(
                {"chest": chest.name, "delivered": done.delivered, "left": len(done.remaining)}
            )
        else:
            click.echo(f"{chest.name}: {done.delivered} delivered, {len(done.remaining)} left")
        for location in sorted(done.unknown_locations):
            print_warning(
                f"{chest.name}: the store {location} rejected some of these records, but no chest "
                "writes to it now; add it to CHEST_CHESTS, or give the chest that replaced it the "
                f"name {chest.name!r}"
            )
        if done.failure is not None:
            failures.append(str(done.failure))  # continue: other stores may be reachable
    if failures:
        raise click.ClickException("; ".join(failures))


def _replay_chest(state: AppState, chest: Chest) -> Replay:
    with click_errors():
        replayed = Replay(state.journal_scope, chest, state.chests)
    with progress(chest.name, len(replayed)) as step:
        for _ in replayed.run():
            step(1)
    for each in (chest, *state.chests):
        each.close()
    return replayed
