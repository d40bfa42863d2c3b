"""``flask chest forget``: one person's records, erased or handed out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import click
from flask.cli import with_appcontext

from ..app.state import AppState
from ..chests.base import Chest
from ..delivery.dead_letters import chests_with_letters
from ..operations.erasure import Erasure, erase_dead_letters, matching_dead_letters
from ..query.filters import Filter
from ..query.ndjson import to_line
from ..query.query import Query
from ..query.reader import Reader
from ..record.record import Record
from .atomic_file import destination
from .context import chosen_chests, current_state, told_errors
from .options import (
    FIRST,
    LAST,
    every_chest_option,
    json_option,
    make_query,
    where_option,
    yes_option,
)
from .output import print_json, progress

#: Each chest, and what reads it; nothing where a store only takes.
_Stores = list[tuple[Chest, Reader | None]]
#: The same by name, with chests that are there no more, and have left dead letters.
_Sources = list[tuple[str, Reader | None]]


@click.command()
@where_option
@click.option(
    "--export",
    "output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write them to this file; erase nothing.",
)
@every_chest_option
@yes_option
@json_option
@with_appcontext
def forget(
    where: tuple[Filter, ...],
    output: str | None,
    chest_name: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase a person's records from every store.

    Whose, --where says: flask chest forget --where user_id=42. With --export FILE they are written
    there as NDJSON, and stay where they are. Hourly and daily figures stay, too: they tell of no
    single request.
    """
    if not where or not any(each.operator == "=" and each.value for each in where):
        raise click.UsageError("say whose records: --where user_id=42")
    query = make_query(FIRST, LAST, where)
    state = current_state()
    with told_errors(), _opened(chosen_chests(chest_name)) as stores:
        gone = [] if chest_name else _gone(state, stores)
        if output is not None:
            sources: _Sources = [(each.name, reader) for each, reader in stores]
            with destination(output) as file:
                told = _hand_out(state, sources + [(name, None) for name in gone], query, file)
        else:
            if not yes:
                _confirm(stores, query)
            told = {each.name: _erase(state, each, reader, query) for each, reader in stores}
            told |= {name: _erase_letters(state, name, query) or None for name in gone}
    told = {name: number for name, number in told.items() if number or name not in gone}
    _tell(told, state, as_json, "erased" if output is None else "handed out")
    beyond = [each.name for each, reader in stores if reader is None]
    if beyond:
        raise click.ClickException(
            f"out of reach: {', '.join(beyond)}; what such a store got must be looked for there"
        )


@contextmanager
def _opened(chests: list[Chest]) -> Iterator[_Stores]:
    stores = [(chest, chest.reader()) for chest in chests]
    try:
        yield stores
    finally:
        for _, reader in stores:
            if reader is not None:
                reader.close()


def _confirm(stores: _Stores, query: Query) -> None:
    counts = [f"{reader.count(query)} in {each.name}" for each, reader in stores if reader]
    filters = " and ".join(map(str, query.where))
    click.confirm(f"erase records with {filters}: {', '.join(counts) or 'none'}?", abort=True)


def _gone(state: AppState, stores: _Stores) -> list[str]:
    """Chests that are there no more, and have left dead letters."""
    there = {each.name for each, _ in stores}
    return [name for name in chests_with_letters(state.journal_dir) if name not in there]


def _erase_letters(state: AppState, chest: str, query: Query) -> int:
    return erase_dead_letters(state.journal_scope, chest, query)


def _erase(state: AppState, chest: Chest, reader: Reader | None, query: Query) -> int | None:
    letters = _erase_letters(state, chest.name, query)
    if reader is None:
        return letters or None
    gone = letters
    with progress(chest.name, reader.count(query)) as step:
        for number in Erasure(chest, reader, query).run():
            gone += number
            step(number)
    return gone


def _hand_out(
    state: AppState, sources: _Sources, query: Query, file: BinaryIO
) -> dict[str, int | None]:
    told: dict[str, int | None] = {}
    # Stores hold the same records; one person has few enough to remember their ids.
    written: set[str] = set()
    for name, reader in sources:
        count = 0
        for record in _records_of(state, name, reader, query):
            count += 1
            if record.id not in written:
                written.add(record.id)
                file.write(to_line(record) + b"\n")
        told[name] = count if reader is not None else count or None
    return told


def _records_of(
    state: AppState, chest: str, reader: Reader | None, query: Query
) -> Iterator[Record]:
    """One person's records in a store, and among the dead letters that wait for it."""
    if reader is not None:
        yield from reader.iter_records(query)
    yield from matching_dead_letters(state.journal_scope, chest, query)


def _tell(told: Mapping[str, int | None], state: AppState, as_json: bool, what: str) -> None:
    accounts = state.delivery.ledger().accounts
    there = {each.name for each in state.chests}
    pending = {
        name: each.pending
        for name, each in accounts.items()
        if name in told or (each.pending and name not in there)
    }
    if as_json:
        content: dict[str, Any] = {what.replace(" ", "_"): told, "pending": pending}
        print_json(content)
    for name, number in told.items():
        if not as_json and number is not None:
            click.echo(f"{name}: {number} {what}")
    for name, number in pending.items():
        if number:
            text = f"{name}: {number} records wait in the journal; run this again later"
            click.secho(text, fg="yellow", err=True)
