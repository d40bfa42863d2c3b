"""``flask chest import``: writes exported records to a chest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from ..archive.parquet_file import MAGIC, read_parquet
from ..chests.base import Chest
from ..errors import QueryError
from ..operations.background_retention import Maintenance
from ..query.export_ndjson import from_line, to_line
from ..record.record import Record
from .command_context import click_errors, current_state, select_chests
from .options import chest_option, json_option
from .output import print_json, print_warning, progress

_BATCH = 1000
_MAX_WARNINGS = 5


class _RecordLines:
    """Iterates over the records of a file; counts invalid lines and warns about the first ones."""

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
                if self.refused <= _MAX_WARNINGS:
                    print_warning(f"line {number}: {error}")


@click.command("import")
@click.argument("file", type=click.File("rb"), default="-")
@chest_option("all of CHEST_CHESTS")
@json_option
@with_appcontext
def import_records(file: BinaryIO, chest_name: str | None, as_json: bool) -> None:
    """Write exported records to a chest.

    FILE is NDJSON or Parquet, as "flask chest export" writes it, or a file of an archive. Without
    FILE, the command reads NDJSON from standard input. Records that the store already has stay
    unchanged. The command reports and skips invalid lines, imports the rest, and then exits with an
    error.
    """
    chests = _target_chests(chest_name)
    imported = 0
    with click_errors(), progress("import", _size(file)) as step:
        lines = _RecordLines(_ndjson(file), step)
        records = iter(lines)
        try:
            while batch := list(islice(records, _BATCH)):
                for chest in chests:
                    chest.write(batch)
                imported += len(batch)
            # Queries over long ranges read rollups, which do not have the imported records yet.
            Maintenance(chests, None).run(threading.Event())
        finally:
            for chest in chests:
                chest.close()
    if as_json:
        print_json({"imported": imported, "refused": lines.refused})
    else:
        click.echo(f"{imported} imported")
    if lines.refused:
        raise click.ClickException(f"{lines.refused} lines are not valid records")


def _target_chests(name: str | None) -> Sequence[Chest]:
    if name is not None:
        return select_chests(name)
    # A decorator's chest holds the records of its own view only.
    chests = current_state().configured_chests
    if not chests:
        raise click.UsageError("CHEST_CHESTS names no chest; choose one with --chest NAME")
    return chests


def _ndjson(file: BinaryIO) -> Iterable[bytes]:
    """Return the lines of a file; a Parquet file is converted."""
    if not file.seekable():
        return file
    start = file.read(len(MAGIC))
    file.seek(0)
    if start != MAGIC:
        return file
    return (to_line(record) for record in read_parquet(Path(file.name)))


def _size(file: BinaryIO) -> int | None:
    if not file.seekable():
        return None
    size = file.seek(0, 2)
    file.seek(0)
    return size
