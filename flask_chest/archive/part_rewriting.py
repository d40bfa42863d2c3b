"""Writes a new part from the records of other parts: to merge them, or to leave records out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from .archive import Archive, Snapshot
from .columns import DOCUMENTS, FIXED
from .engine import is_engine_error, literal, quoted, to_archive_error
from .manifest import Manifest
from .part_writer import PartFile

#: Typed columns of one part. Parquet keeps a buffer for each while it writes.
MAX_COLUMNS = 1000


def rewrite(
    archive: Archive,
    snapshot: Snapshot,
    parts: Sequence[Manifest],
    start: int,
    end: int,
    without: Collection[str] = (),
) -> Manifest:
    """Replace parts by one part in one step.

    :param snapshot: the state of the log that has the parts.
    :param parts: the parts, in the order of time.
    :param start: the start of the new part's stretch: seconds since 1970, UTC.
    :param end: its end, exclusive.
    :param without: ids of records to leave out.
    :raises ConflictError: another process changed the archive meanwhile.
    :raises DamagedPartError: the file of a part is missing or damaged.
    """
    connection = archive.connect()
    try:
        connection.execute(
            "CREATE TEMP TABLE chest_erased AS SELECT unnest(?::VARCHAR[]) AS id", [list(without)]
        )
        with archive.storage.draft() as draft:
            content = _copy(archive, connection, parts, draft)
            file = None if content is None else (draft, content)
            return archive.add(snapshot, start, end, file, parts)
    except Exception as error:
        if not is_engine_error(error):
            raise
        for part in parts:
            archive.verify(part)
        raise to_archive_error(error, archive.storage.root) from None
    finally:
        connection.close()


def typed_columns(parts: Sequence[Manifest]) -> dict[str, list[tuple[str, str, str]]]:
    """The typed columns of some parts, for each document."""
    return {
        document: sorted({each for part in parts for each in part.columns.get(document, ())})
        for document in DOCUMENTS
    }


def _copy(
    archive: Archive, connection: Any, parts: Sequence[Manifest], draft: Path
) -> PartFile | None:
    """Write the records that stay; return what the file holds, or ``None`` if none stay."""
    where = "WHERE id NOT IN (SELECT id FROM chest_erased)"
    typed = typed_columns(parts)
    columns = [column for each in typed.values() for _, _, column in each]
    counts = ", ".join(f"count({quoted(each)})" for each in [*DOCUMENTS, *columns])
    select = (
        "SELECT count(*), epoch_us(min(time)), epoch_us(max(time)), min(id), max(id), "  # noqa: S608
        f"{counts} FROM parts {where}"
    )
    row = connection.execute(archive.query(parts, select)).fetchone()
    if not row[0]:
        return None
    rest, used = row[5 : 5 + len(DOCUMENTS)], row[5 + len(DOCUMENTS) :]
    # The name of a variable that only erased records had is erased as well.
    kept = {column for column, count in zip(columns, used, strict=True) if count}
    others = [name for document in DOCUMENTS for name in (f"{document}_shape", document)]
    names = [*FIXED, *(column for column in columns if column in kept), *others]
    select = f"SELECT {', '.join(map(quoted, names))} FROM parts {where}"  # noqa: S608
    if _overlap(parts):
        select += " ORDER BY time, id"
    options = "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false"
    query = f"COPY ({archive.query(parts, select)}) TO {literal(str(draft))} ({options})"
    connection.execute(query)
    return PartFile(
        records=row[0],
        first_time=row[1],
        last_time=row[2],
        first_id=row[3],
        last_id=row[4],
        columns={
            document: [each for each in listed if each[2] in kept]
            for document, listed in typed.items()
        },
        rest=dict(zip(DOCUMENTS, rest, strict=True)),
    )


def _overlap(parts: Sequence[Manifest]) -> bool:
    """Whether parts in the order of time are not in the order of their records."""
    return any(after.first_time <= before.last_time for before, after in pairwise(parts))
