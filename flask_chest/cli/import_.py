"""``flask chest import``: what was exported comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from ..chests.base import Chest
from ..errors import QueryError
from ..operations.retention import Maintenance
from ..query.ndjson import from_line
from ..record.record import Record
from .context import chosen_chests, current_state, told_errors
from .options import json_option
from .output import print_json, progress

_BATCH = 1000
_TOLD = 5


class _Lines:
    """Records of lines; what is none is counted, and the first ones are told."""

    def __init__(self, file: Iterable[bytes], step: Callable[[int], None]) -> None:
        self._file = file
        self._step = step
        self.refused = 0

    def __iter__(self) -> Iterator[Record]:
        for number, line in enumerate(self._file, 1):
            self._step(len(line))
            if not line.strip():
                continue
            try:
                yield from_line(line)
            except QueryError as error:
                self.refused += 1
                if self.refused <= _TOLD:
                    click.secho(f"line {number}: {error}", fg="yellow", err=True)


@click.command("import")
@click.argument("file", type=click.File("rb"), default="-")
@click.option(
    "--chest", "chest_name", metavar="NAME", help="The chest; default: all of CHEST_CHESTS."
)
@json_option
@with_appcontext
def import_records(file: BinaryIO, chest_name: str | None, as_json: bool) -> None:
    """Write exported records to a chest, or to all of CHEST_CHESTS.

    FILE is NDJSON, as export makes it; without it, standard input is read. A record that is there
    already stays as it is. Lines that are no records are told and passed over; the command then
    ends with an error.
    """
    chests = _targets(chest_name)
    taken = 0
    with told_errors(), progress("import", _size(file)) as step:
        lines = _Lines(file, step)
        records = iter(lines)
        try:
            while batch := list(islice(records, _BATCH)):
                _write(chests, batch)
                taken += len(batch)
            # Else long ranges would lack them until an app of this store next looks.
            Maintenance(chests, None).run(threading.Event())
        finally:
            for chest in chests:
                chest.close()
    if as_json:
        print_json({"imported": taken, "refused": lines.refused})
    else:
        click.echo(f"{taken} imported")
    if lines.refused:
        raise click.ClickException(f"{lines.refused} lines are no records")


def _targets(name: str | None) -> Sequence[Chest]:
    if name is not None:
        return chosen_chests(name)
    # A decorator's chest holds what its view left, and not what all others did.
    chests = current_state().configured_chests
    if not chests:
        raise click.UsageError("CHEST_CHESTS names no chest; say which one: --chest NAME")
    return chests


def _write(chests: Sequence[Chest], records: Sequence[Record]) -> None:
    for chest in chests:
        chest.write(records)


def _size(file: BinaryIO) -> int | None:
    if not file.seekable():
        return None
    size = file.seek(0, 2)
    file.seek(0)
    return size
