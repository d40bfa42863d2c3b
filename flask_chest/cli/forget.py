"""``flask chest forget``: erases or exports the records of one person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from ..app.state import AppState
from ..archive.store_archive import StoreArchive
from ..chests.base import Chest
from ..chests.reader import Reader
from ..delivery.dead_letters import chests_with_dead_letters
from ..operations.erasure import (
    Erasure,
    erase_dead_letters,
    erase_delivered_copies,
    matching_dead_letters,
)
from ..query.export_ndjson import to_line
from ..query.filter_parsing import Filter
from ..query.query import Query
from ..record.record import Record
from .command_context import click_errors, current_state, select_chests
from .options import (
    FIRST,
    LAST,
    chest_option,
    json_option,
    make_query,
    where_option,
    yes_option,
)
from .output import print_json, print_warning, progress
from .output_file import atomic_file

#: Each chest and its reader; the reader is ``None`` if the store cannot be read.
_Stores = list[tuple[Chest, Reader | None]]
#: Records per chest; ``None`` if the store cannot be read and has no dead letters.
_Counts = dict[str, int | None]


@click.command()
@where_option
@click.option(
    "--export",
    "output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write the records to this file as NDJSON; erase nothing.",
)
@chest_option("all chests, including those of decorators")
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
    """Erase or export one person's records.

    --where names the person: flask chest forget --where user_id=42. The command covers every
    store, its archive, its hourly and daily aggregates, dead letters, and delivered records in the
    journal.
    Aggregates of records that retention has deleted stay: they hold counts and sums only.
    """
    query = _person_query(where)
    state = current_state()
    with click_errors(), _open_stores(select_chests(chest_name)) as stores:
        removed = [] if chest_name else _removed_chests(state, stores)
        if output is not None:
            with atomic_file(output) as file:
                counts = _export(state, stores, removed, query, file)
        else:
            if not yes:
                _confirm(state, stores, query)
            counts = _erase(state, stores, removed, query)
            for name, number in _erase_archived(state, stores, query).items():
                if number and not as_json:
                    click.echo(f"archive of {name}: {number} erased")
            copies = erase_delivered_copies(state.journal_scope, query)
            if copies and not as_json:
                click.echo(f"journal: {copies} delivered records overwritten")
    _report(counts, state, as_json, "erased" if output is None else "exported")
    unreadable = [chest.name for chest, reader in stores if reader is None]
    if unreadable:
        raise click.ClickException(
            f"cannot be read or erased from here: {', '.join(unreadable)}; look for the person's "
            "records in these stores yourself"
        )


def _person_query(where: tuple[Filter, ...]) -> Query:
    if not any(each.operator == "=" and each.value for each in where):
        raise click.UsageError("name the person: --where user_id=42")
    return make_query(FIRST, LAST, where)


@contextmanager
def _open_stores(chests: list[Chest]) -> Iterator[_Stores]:
    stores = [(chest, chest.reader()) for chest in chests]
    try:
        yield stores
    finally:
        for _, reader in stores:
            if reader is not None:
                reader.close()


def _removed_chests(state: AppState, stores: _Stores) -> list[str]:
    """Return the names of chests that are no longer configured but have dead letters."""
    configured = {chest.name for chest, _ in stores}
    names = chests_with_dead_letters(state.journal_dir)
    return [name for name in names if name not in configured]


def _confirm(state: AppState, stores: _Stores, query: Query) -> None:
    counts = [f"{reader.count(query)} in {chest.name}" for chest, reader in stores if reader]
    archived = {each.chest.name: each.records(query) for each in _archives(state, stores)}
    counts += [f"{_length(some)} in the archive of {name}" for name, some in archived.items()]
    filters = " and ".join(map(str, query.where))
    click.confirm(f"erase records with {filters}: {', '.join(counts) or 'none'}?", abort=True)


def _erase(state: AppState, stores: _Stores, removed: Iterable[str], query: Query) -> _Counts:
    counts = {chest.name: _erase_from(state, chest, reader, query) for chest, reader in stores}
    for name in removed:
        if number := _erase_letters(state, name, query):
            counts[name] = number
    return counts


def _erase_from(state: AppState, chest: Chest, reader: Reader | None, query: Query) -> int | None:
    erased = _erase_letters(state, chest.name, query)
    if reader is None:
        return erased or None
    erasure = Erasure(chest, reader, query)
    with progress(chest.name, reader.count(query)) as step:
        for number in erasure.run():
            erased += number
            step(number)
    for problem in erasure.problems:
        print_warning(f"{chest.name}: {problem}")
    return erased


def _length(records: Iterable[Record]) -> int:
    return sum(1 for _ in records)


def _archives(state: AppState, stores: _Stores) -> list[StoreArchive]:
    found = (state.archives.of(chest) for chest, _ in stores)
    return [each for each in found if each is not None]


def _erase_archived(state: AppState, stores: _Stores, query: Query) -> dict[str, int]:
    """Erase from the archives, after the rows: nobody archives what is no longer stored."""
    return {each.chest.name: sum(each.erase(query)) for each in _archives(state, stores)}


def _erase_letters(state: AppState, chest: str, query: Query) -> int:
    return erase_dead_letters(state.journal_scope, chest, query)


def _export(
    state: AppState, stores: _Stores, removed: Iterable[str], query: Query, file: BinaryIO
) -> _Counts:
    counts: _Counts = {}
    # Several stores hold the same records; the ids of one person's records fit into memory.
    written: set[str] = set()
    sources = [(chest.name, reader) for chest, reader in stores] + [
        (name, None) for name in removed
    ]
    for name, reader in sources:
        count = 0
        for record in _records_of(state, name, reader, query):
            count += 1
            if record.id not in written:
                written.add(record.id)
                file.write(to_line(record) + b"\n")
        if count or name not in removed:
            counts[name] = count if reader is not None else count or None
    return counts


def _records_of(
    state: AppState, chest: str, reader: Reader | None, query: Query
) -> Iterator[Record]:
    """Yield one person's records from a store and from its dead letters."""
    if reader is not None:
        yield from reader.iter_records(query)
    for store in state.archives.by_name(state.chests, chest):
        yield from store.records(query)
    yield from matching_dead_letters(state.journal_scope, chest, query)


def _report(counts: Mapping[str, int | None], state: AppState, as_json: bool, verb: str) -> None:
    configured = {chest.name for chest in state.chests}
    pending = {
        name: account.pending
        for name, account in state.delivery.ledger().accounts.items()
        if name in counts or (account.pending and name not in configured)
    }
    if as_json:
        print_json({verb: counts, "pending": pending})
    else:
        for name, number in counts.items():
            if number is not None:
                click.echo(f"{name}: {number} {verb}")
    for name, number in pending.items():
        if number:
            print_warning(f"{name}: {number} records wait in the journal; run this again later")
