"""The manifest of a part: what it holds, and which parts it replaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from zlib import crc32

import orjson

from .errors import ArchiveError

#: The version of the format that this release writes. It reads this one and earlier ones.
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One entry of the log: a part that was added, and parts that it replaces.

    :param number: the number of the entry; each next entry has the next number.
    :param name: the file of the part; empty if the entry only removes parts.
    :param start: the start of the stretch of time: seconds since 1970, UTC.
    :param end: the end of the stretch, exclusive.
    :param records: the number of records.
    :param bytes: the size of the file.
    :param sha256: the checksum of the file.
    :param first_time: the time of the oldest record: microseconds since 1970, UTC.
    :param last_time: the time of the newest record.
    :param first_id: the least id.
    :param last_id: the greatest id.
    :param columns: for ``vars`` and ``tags``: name, type and column of each typed column.
    :param rest: for ``vars`` and ``tags``: how many records have a value in the JSON column.
    :param replaces: numbers of the entries whose parts are no longer valid.
    :param created: when the entry was written: seconds since 1970, UTC.
    :param release: the release of Flask-Chest that wrote it.
    """

    number: int
    name: str
    start: int
    end: int
    records: int = 0
    bytes: int = 0
    sha256: str = ""
    first_time: int = 0
    last_time: int = 0
    first_id: str = ""
    last_id: str = ""
    columns: Mapping[str, list[tuple[str, str, str]]] = field(default_factory=dict)
    rest: Mapping[str, int] = field(default_factory=dict)
    replaces: tuple[int, ...] = ()
    created: int = 0
    release: str = ""

    def may_hold_time(self, since: int, until: int) -> bool:
        """Return whether the part may hold records of a range of time.

        :param since: microseconds since 1970, UTC.
        :param until: the end, exclusive.
        """
        return bool(self.name) and self.first_time < until and self.last_time >= since


_FIELDS = tuple(each.name for each in fields(Manifest))


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the content of the entry's file."""
    values = {name: getattr(manifest, name) for name in _FIELDS}
    return orjson.dumps(
        {"format": FORMAT, **values, "checksum": _checksum(values)}, option=orjson.OPT_INDENT_2
    )


def decode_manifest(content: bytes, place: str) -> Manifest:
    """Return the entry of a file's content; keys of later releases are ignored.

    :param place: the file, for error messages.
    :raises ArchiveError: the file is damaged, or of a newer format.
    """
    try:
        values: Any = orjson.loads(content)
        version = values["format"]
        known = {name: values[name] for name in _FIELDS if name in values}
        is_whole = version > FORMAT or values["checksum"] == _checksum(known)
    except (ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise ArchiveError(
            f"{place}: this entry of the archive is damaged; restore the file, or delete it "
            "and run 'flask chest archive', which writes its part again from stored rows"
        )
    if version > FORMAT:
        release = known.get("release") or "a newer release"
        raise ArchiveError(
            f"{place}: the archive was written by Flask-Chest {release} in format {version}; this "
            f"release reads formats up to {FORMAT}; upgrade Flask-Chest"
        )
    known["replaces"] = tuple(known["replaces"])
    known["columns"] = {
        document: [tuple(column) for column in columns]
        for document, columns in known["columns"].items()
    }
    return Manifest(**known)


def _checksum(values: Mapping[str, Any]) -> str:
    return f"{crc32(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)):08x}"
