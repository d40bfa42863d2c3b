"""Records for the tests of the archive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from flask_chest import Record
from flask_chest.archive.archive import Archive
from flask_chest.archive.manifest import Manifest
from flask_chest.archive.part_writer import PartWriter
from flask_chest.record.json_line import encode

START = datetime(2026, 12, 1, tzinfo=timezone.utc)
HOUR = int(START.timestamp())


def make_records(variables: Sequence[dict[str, Any]], **fields: Any) -> list[Record]:
    """A record for each set of variables, one a millisecond."""
    return [
        Record(
            id=f"{number:032x}",
            time=START + timedelta(milliseconds=number),
            vars=values,
            **{"request_id": f"{number:032x}", **fields},
        )
        for number, values in enumerate(variables)
    ]


def archive_records(
    archive: Archive, records: Sequence[Record], replaces: Sequence[Manifest] = ()
) -> Manifest:
    """Write records as one part of the first hour."""
    connection = archive.connect()
    try:
        writer = PartWriter(connection)
        writer.add(b"\n".join(map(encode, records)))
        with archive.storage.draft() as draft:
            file = draft, writer.finish(draft)
            return archive.add(archive.snapshot(), HOUR, HOUR + 3600, file, replaces)
    finally:
        connection.close()
