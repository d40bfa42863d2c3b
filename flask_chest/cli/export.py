"""``flask chest export``: writes records as NDJSON, CSV or Parquet, in constant memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click
from flask.cli import with_appcontext

from ..archive.parquet_file import write_parquet
from ..chests.reader import Reader
from ..query.export_csv import csv_lines
from ..query.export_ndjson import to_line
from ..query.filter_parsing import Filter
from ..query.query import Query
from ..record.printable_text import printable
from ..record.record import Record
from .command_context import open_reader
from .options import FIRST, LAST, chest_option, make_query, range_options, where_option
from .output import progress
from .output_file import atomic_file


@click.command()
@click.option(
    "--format",
    "kind",
    type=click.Choice(["ndjson", "csv", "parquet"]),
    default="ndjson",
    show_default=True,
    help="NDJSON (one JSON object per line), CSV, or Parquet in the columns of the archive.",
)
@click.option("--json", "kind", flag_value="ndjson", help="The same as --format ndjson.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="-",
    help="The file to write. Default: standard output.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    help="With CSV: write this variable to its own column. Can be repeated.",
)
@range_options("1970-01-01")
@where_option
@chest_option("the first chest that can be read")
@with_appcontext
def export(
    kind: str,
    output: str,
    columns: tuple[str, ...],
    since: datetime,
    until: datetime | None,
    where: tuple[Filter, ...],
    chest_name: str | None,
) -> None:
    """Write records, oldest first.

    In CSV, text that a spreadsheet would run as a formula is prefixed with a single quote. Parquet
    needs the extra "columns".
    """
    query = make_query(since, until or (LAST if since == FIRST else None), where)
    with (
        open_reader(chest_name) as reader,
        atomic_file(output) as file,
        _progress(file, reader, query) as step,
    ):
        records = _counted(reader.iter_records(query), step)
        if kind == "parquet":
            _write_parquet(records, file)
            return
        if kind == "csv":
            # A file gets the text as it is; a terminal must not obey it.
            convert = printable if file.isatty() else str
            lines: Iterable[bytes] = csv_lines(records, columns, convert)
        else:
            lines = (to_line(record) + b"\n" for record in records)
        for line in lines:
            file.write(line)


def _write_parquet(records: Iterable[Record], file: BinaryIO) -> None:
    if file.isatty():
        raise click.UsageError("a terminal cannot show Parquet; name a file: --output FILE")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "records.parquet")
        write_parquet(records, path)
        with path.open("rb") as written:
            shutil.copyfileobj(written, file)


def _progress(
    file: BinaryIO, reader: Reader, query: Query
) -> AbstractContextManager[Callable[[int], object]]:
    # On a terminal, a progress bar would be mixed with the records themselves.
    if file.isatty():
        return nullcontext(lambda _: None)
    return progress("export", reader.count(query))


def _counted(records: Iterable[Record], step: Callable[[int], object]) -> Iterator[Record]:
    for record in records:
        yield record
        step(1)
