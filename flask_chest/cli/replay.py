"""``flask chest replay``: another try for dead letters."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..replay import Replay
from .current import chosen_chests, current_held, told_errors
from .options import json_option
from .output import print_json, progress
from .past import tell_of_the_past


@click.command()
@click.argument("name", required=False)
@json_option
@with_appcontext
def replay(name: str | None, as_json: bool) -> None:
    """Send dead letters again.

    Those of chest NAME, or without it those of all chests.
    """
    held = current_held()
    failures = []
    for each in chosen_chests(name):
        with told_errors():
            again = Replay(held.journal_dir, each, held.app.name)
        with progress(each.name, len(again)) as step:
            for _ in again.run():
                step(1)
        tell_of_the_past([each])
        each.close()
        if as_json:
            print_json({"chest": each.name, "delivered": again.delivered, "left": len(again.left)})
        else:
            click.echo(f"{each.name}: {again.delivered} delivered, {len(again.left)} left")
        if again.failure is not None:
            failures.append(str(again.failure))  # one that is away keeps no other from its records
    if failures:
        raise click.ClickException("; ".join(failures))
