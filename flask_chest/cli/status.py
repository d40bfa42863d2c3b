"""``flask chest status``: the health and the ledger of each chest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext

from ..app.state import AppState
from ..chests.base import Chest
from ..delivery.journal.app_scope import storable_text
from ..delivery.journal.file_names import unreadable_folders
from ..operations.chest_health import HealthChecker
from .command_context import current_state, synchronous_chests
from .options import json_option
from .output import one_line, print_json, print_warning, render_table

_HEADER = ("chest", "health", "captured", "delivered", "pending", "rejected", "lost")
# Chests that are written to within the request have no ledger.
_LEDGER_COLUMNS = len(_HEADER) - 2
_DOWN = "unreachable"
_OK = ("ok", "not in CHEST_CHESTS")
# For all chests together. The first check of an SQL store may upgrade its table.
_CHECK_TIMEOUT_SECONDS = 60.0
_DELIVERED_BY = {
    "thread": "each process of the app, from its first record on",
    "agent": "flask chest agent (CHEST_EXPORTER)",
}


@click.command()
@json_option
@with_appcontext
def status(as_json: bool) -> None:
    """Show the address, health and ledger of each chest.

    Pending records are in the buffer: they wait for delivery, or for a store that is unreachable.
    """
    state = current_state()
    rows = _rows(state)
    if as_json:
        _print_json(state, rows)
        return
    click.echo(render_table(_HEADER, [_short(row) for row in rows]))
    click.echo()
    for name, address, health, *_ in rows:
        if address is not None:
            click.echo(f"{name}: {one_line(address, 4096)}")
        if health not in _OK:
            # In the table, a long error message would push the ledger off the screen.
            click.secho(f"  {one_line(health, 1000)}", fg="red")
    if state.settings.buffer == "disk":
        click.echo(f"journal: {one_line(state.journal_dir, 4096)}")
        _warn_of_unreadable(unreadable_folders(state.journal_dir))
        click.echo(f"delivered by: {_DELIVERED_BY[state.settings.exporter]}")
    else:
        click.echo("The buffer is not on disk: these are the records of this command only.")
    failed = state.ledger().get("dashboard", {}).get("failed_logins")
    if failed is not None:
        click.echo(f"failed logins to the dashboard: {failed:,}")


def _rows(state: AppState) -> list[tuple[Any, ...]]:
    ledger = state.delivery.ledger().accounts
    synchronous = synchronous_chests(state)
    health = _check_and_close([*state.chests, *synchronous])
    rows = []
    for chest in state.chests:
        account = ledger.pop(chest.name)
        rows.append(_ledger_row(chest.name, chest.describe(), health[chest.name], account))
    for name, account in ledger.items():
        rows.append(_ledger_row(name, None, "not in CHEST_CHESTS", account))
    rows.extend(
        (chest.name, chest.describe(), health[chest.name], *[None] * _LEDGER_COLUMNS)
        for chest in synchronous
    )
    return rows


def _short(row: Sequence[Any]) -> list[Any]:
    name, _, health, *account = row
    return [name, _DOWN if health.startswith(_DOWN) else health, *account]


def _print_json(state: AppState, rows: Sequence[tuple[Any, ...]]) -> None:
    ledger = state.ledger()
    accounts = ledger.pop("chests")
    chests = {
        name: {"address": address or "-", "health": health, **accounts.get(name, {})}
        for name, address, health, *_ in rows
    }
    on_disk = state.settings.buffer == "disk"
    unreadable = unreadable_folders(state.journal_dir) if on_disk else []
    print_json(
        {
            "chests": chests,
            **ledger,
            "journal": storable_text(str(state.journal_dir)) if on_disk else None,
            "unreadable": [storable_text(str(folder)) for folder in unreadable],
            "exporter": state.settings.exporter,
        }
    )


def _warn_of_unreadable(folders: Sequence[Path]) -> None:
    if not folders:
        return
    print_warning(
        f"{len(folders)} folders of the journal belong to other users, and are not in these "
        "numbers; run this command, and the app, as one user, or give them the folders:"
    )
    for folder in folders:
        print_warning(f"  {one_line(folder, 4096)} (uid {folder.stat().st_uid})")


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
    found = HealthChecker().check(chests, _CHECK_TIMEOUT_SECONDS)
    for chest in chests:
        # A check that has not finished yet still uses its chest.
        if found[chest.name].late_after is None:
            with chest.lock:
                chest.close()
    return {name: str(health) for name, health in found.items()}
