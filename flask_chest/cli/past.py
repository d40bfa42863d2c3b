"""Records that a command brings may be older than hours that were summed up already."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..chests.base import Chest
from ..keeping.upkeep import catch_up


def tell_of_the_past(chests: Sequence[Chest]) -> None:
    """Have long ranges, which are answered from sums, tell of what was just written."""
    for chest in catch_up(chests):
        told = "its hours cannot be summed up now, perhaps since another process is at it"
        lacking = "long ranges lack what is new until the next prune"
        click.secho(f"{chest.name}: {told}; {lacking}", fg="yellow", err=True)
