"""``flask chest status``: every chest, and its ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from flask.cli import with_appcontext

from ..app.state import AppState
from ..chests.base import Chest
from ..operations.health_check import HealthChecker
from . import output as table
from .context import chests_beside, current_state
from .options import json_option
from .output import one_line, print_json

_HEADER = ("chest", "health", "captured", "delivered", "pending", "rejected", "lost")
# What is written within the request stands in no ledger.
_FIGURES = len(_HEADER) - 2
_DOWN = "unreachable"
# Seconds to wait for all chests together. The first check of an SQL store may upgrade its table.
_CHECK_TIMEOUT = 60.0
_DELIVERERS = {
    "thread": "the app's processes, each from its first record on",
    "agent": "flask chest agent, wherever that runs (CHEST_EXPORTER)",
}


@click.command()
@json_option
@with_appcontext
def status(as_json: bool) -> None:
    """Every chest: where it is, whether it answers, and its ledger.

    Pending records wait for their chest to answer, or for who delivers them.
    """
    state = current_state()
    ledger = state.delivery.ledger().accounts
    beside = chests_beside(state)
    health = _check_and_close([*state.chests, *beside])
    rows = []
    for each in state.chests:
        account = ledger.pop(each.name)
        rows.append(_ledger_row(each.name, each.describe(), health[each.name], account))
    for name, account in ledger.items():
        rows.append(_ledger_row(name, None, "not in CHEST_CHESTS", account))
    rows.extend(
        (each.name, each.describe(), health[each.name], *[None] * _FIGURES) for each in beside
    )
    if as_json:
        _print_json(state, rows)
        return
    click.echo(table.render(_HEADER, [_short(row) for row in rows]))
    click.echo()
    for name, address, answer, *_ in rows:
        if address is not None:
            click.echo(f"{name}: {address}")
        if answer.startswith(_DOWN):
            # Whole sentences, which would push the figures off the screen.
            click.secho(f"  {one_line(answer, 1000)}", fg="red")
    if state.settings.buffer == "disk":
        click.echo(f"journal: {state.journal_dir}")
        click.echo(f"delivered by: {_DELIVERERS[state.settings.exporter]}")
    else:
        click.echo("The buffer is not on disk, so this is only what this very command recorded.")


def _short(row: Sequence[Any]) -> list[Any]:
    name, _, health, *account = row
    return [name, _DOWN if health.startswith(_DOWN) else health, *account]


def _print_json(state: AppState, rows: Sequence[tuple[Any, ...]]) -> None:
    ledger = state.delivery.ledger().to_dict()
    told = {row[0]: {"address": row[1] or "-", "health": row[2]} for row in rows}
    chests = {name: {**each, **ledger.get(name, {})} for name, each in told.items()}
    journal = str(state.journal_dir) if state.settings.buffer == "disk" else None
    print_json({"chests": chests, "journal": journal, "exporter": state.settings.exporter})


def _ledger_row(name: str, address: str | None, health: str, account: Any) -> tuple[Any, ...]:
    lost = ", ".join(f"{n} {reason}" for reason, n in account.lost.items() if n) or 0
    return (
        name,
        address,
        health,
        account.captured,
        account.delivered,
        account.pending,
        account.rejected,
        lost,
    )


def _check_and_close(chests: Sequence[Chest]) -> dict[str, str]:
    found = HealthChecker().check(chests, _CHECK_TIMEOUT)
    for chest in chests:
        # A check that is late still uses the chest.
        if found[chest.name].late_after is None:
            with chest.lock:
                chest.close()
    return {name: str(health) for name, health in found.items()}
