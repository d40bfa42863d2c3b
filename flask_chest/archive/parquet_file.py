"""A Parquet file of records outside of an archive, for exports and imports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from ..errors import QueryError
from ..record.json_line import encode
from ..record.record import Record
from .columns import DOCUMENTS, FIXED
from .engine import connect, is_engine_error, literal, quoted
from .part_writer import PartWriter
from .records import RecordDecoder

#: The first bytes of a Parquet file.
MAGIC = b"PAR1"
_PAGE = 1000


def write_parquet(records: Iterable[Record], file: Path) -> None:
    """Write records to a file with the columns of a part.

    :raises flask_chest.errors.ConfigError: DuckDB is not installed.
    """
    remaining = iter(records)
    with closing(connect(file.parent / "temporary")) as connection:
        writer = PartWriter(connection)
        while page := list(islice(remaining, _PAGE)):
            writer.add(b"\n".join(map(encode, page)))
        writer.finish(file)


def read_parquet(file: Path) -> Iterator[Record]:
    """Yield the records of a file that :func:`write_parquet` or an archive wrote.

    :raises flask_chest.errors.ConfigError: DuckDB is not installed.
    :raises QueryError: it is no such file.
    """
    source = f"read_parquet({literal(str(file))})"
    with closing(connect(file.parent / "temporary")) as connection:
        try:
            names = [row[0] for row in connection.execute(f"DESCRIBE FROM {source}").fetchall()]
            required = {*FIXED, *(f"{each}_shape" for each in DOCUMENTS), *DOCUMENTS}
            if missing := sorted(required.difference(names)):
                raise QueryError(f"it lacks the columns {', '.join(missing)}")
            columns = ", ".join("epoch_us(time)" if n == "time" else quoted(n) for n in names)
            cursor = connection.execute(f"SELECT {columns} FROM {source}")  # noqa: S608
            to_record = RecordDecoder(names)
            while rows := cursor.fetchmany(_PAGE):
                yield from map(to_record, rows)
        except Exception as error:
            if not is_engine_error(error):
                raise
            raise QueryError(f"it is no Parquet file of records ({type(error).__name__})") from None
