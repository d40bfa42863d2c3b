"""``flask chest replay``: another try for dead letters."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..operations.replay import Replay
from .context import chosen_chests, current_state, told_errors
from .options import json_option
from .output import print_json, progress


@click.command()
@click.argument("name", required=False)
@json_option
@with_appcontext
def replay(name: str | None, as_json: bool) -> None:
    """Send dead letters again.

    Those of chest NAME, or without it those of all chests.
    """
    state = current_state()
    failures = []
    for each in chosen_chests(name):
        with told_errors():
            again = Replay(state.journal_scope, each, state.chests)
        with progress(each.name, len(again)) as step:
            for _ in again.run():
                step(1)
        for one in (each, *state.chests):
            one.close()
        if as_json:
            print_json({"chest": each.name, "delivered": again.delivered, "left": len(again.left)})
        else:
            click.echo(f"{each.name}: {again.delivered} delivered, {len(again.left)} left")
        for place in sorted(again.strange):
            text = (
                f"{each.name}: some were refused by {place}, where no chest leads to; name it in "
                f"CHEST_CHESTS, or call the chest that took its place by the name {each.name!r}"
            )
            click.secho(text, fg="yellow", err=True)
        if again.failure is not None:
            failures.append(str(again.failure))  # one that is away keeps no other from its records
    if failures:
        raise click.ClickException("; ".join(failures))
