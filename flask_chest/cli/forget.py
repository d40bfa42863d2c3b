"""``flask chest forget``: one person's records, erased or handed out."""

from __future__ import annotations

from typing import Any, BinaryIO

import click
from flask.cli import with_appcontext

from ..app_chest import AppChest
from ..chests.base import Chest
from ..keeping.forgetting import Forgetting, forget_letters
from ..reading.filters import Filter
from ..reading.lines import to_line
from ..reading.query import Query
from ..reading.reader import make_reader
from .current import chosen_chests, current_held, told_errors
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


@click.command()
@where_option
@click.option(
    "--export", "output", type=click.File("wb"), help="Write them to this file; erase nothing."
)
@every_chest_option
@yes_option
@json_option
@with_appcontext
def forget(
    where: tuple[Filter, ...],
    output: BinaryIO | None,
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
    chests = chosen_chests(chest_name)
    if output is not None:
        told = _hand_out(chests, query, output)
    else:
        if not yes:
            _confirm(chests, query)
        told = {each.name: _erase(current_held(), each, query) for each in chests}
    _tell(told, current_held(), as_json, "erased" if output is None else "handed out")


def _confirm(chests: list[Chest], query: Query) -> None:
    counts = []
    with told_errors():
        for chest in chests:
            reader = make_reader(chest)
            if reader is not None:
                counts.append(f"{reader.count(query)} in {chest.name}")
                reader.close()
    filters = " and ".join(map(str, query.where))
    click.confirm(f"erase records with {filters}: {', '.join(counts) or 'none'}?", abort=True)


def _erase(held: AppChest, chest: Chest, query: Query) -> int | None:
    with told_errors():
        letters = forget_letters(held.journal_dir, chest.name, query, held.app.name)
    reader = make_reader(chest)
    if reader is None:
        return letters or None
    gone = letters
    with told_errors(), progress(chest.name, reader.count(query)) as step:
        for number in Forgetting(chest, reader, query).run():
            gone += number
            step(number)
    reader.close()
    return gone


def _hand_out(chests: list[Chest], query: Query, output: BinaryIO) -> dict[str, int | None]:
    told: dict[str, int | None] = {}
    seen: set[str] = set()
    for chest in chests:
        reader = make_reader(chest)
        told[chest.name] = None
        if reader is None:
            continue
        found = 0
        with told_errors():
            for record in reader.walk(query):
                found += 1
                # Stores hold the same records; one person has few enough to remember their ids.
                if record.id not in seen:
                    seen.add(record.id)
                    output.write(to_line(record) + b"\n")
        reader.close()
        told[chest.name] = found
    return told


def _tell(told: dict[str, int | None], held: AppChest, as_json: bool, what: str) -> None:
    accounts = held.carrier.ledger().accounts
    pending = {name: accounts[name].pending for name in told if name in accounts}
    if as_json:
        content: dict[str, Any] = {what.replace(" ", "_"): told, "pending": pending}
        print_json(content)
    for name, number in told.items():
        if not as_json and number is not None:
            click.echo(f"{name}: {number} {what}")
        if pending.get(name):
            text = f"{name}: {pending[name]} records wait in the journal; run this again later"
            click.secho(text, fg="yellow", err=True)
    beyond = [name for name, number in told.items() if number is None]
    if beyond:
        raise click.ClickException(
            f"out of reach: {', '.join(beyond)}; what such a store got must be looked for there"
        )
