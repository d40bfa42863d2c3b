"""Reads the records of parts back, exactly as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

import orjson

from ..record.json_line import FIELDS, from_microseconds
from ..record.record import Record
from .archive import Archive
from .columns import DOCUMENTS, FIXED, Shape, column_name, parse_shape
from .engine import is_engine_error, quoted, to_archive_error
from .manifest import Manifest

_PAGE = 1000


def iter_records(
    archive: Archive,
    parts: Sequence[Manifest],
    where: str = "true",
    order: str = "time, id",
    limit: int | None = None,
) -> Iterator[Record]:
    """Yield records of some parts.

    :param where: the SQL of a condition on the columns of the parts.
    :param order: the SQL of the order.
    :param limit: maximum number of records.
    :raises ArchiveError: a part cannot be read.
    """
    if not parts:
        return
    names = _column_names(parts)
    columns = ", ".join("epoch_us(time)" if name == "time" else quoted(name) for name in names)
    select = f"SELECT {columns} FROM parts WHERE {where} ORDER BY {order}"  # noqa: S608
    if limit is not None:
        select += f" LIMIT {int(limit)}"
    to_record = RecordDecoder(names)
    with closing(archive.connect()) as connection:
        try:
            cursor = connection.execute(archive.query(parts, select))
            while rows := cursor.fetchmany(_PAGE):
                yield from map(to_record, rows)
        except Exception as error:
            if not is_engine_error(error):
                raise
            for part in parts:
                archive.verify(part)
            raise to_archive_error(error, archive.storage.root) from None


class RecordDecoder:
    """Makes a record of the row of a part.

    :param names: the columns of the row, with ``time`` in microseconds since 1970.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._places = {name: place for place, name in enumerate(names)}
        self._fields = [
            (name, self._places[name]) for name in FIELDS if name in FIXED and name in self._places
        ]

    def __call__(self, row: Sequence[Any]) -> Record:
        values = {name: row[place] for name, place in self._fields}
        values["time"] = from_microseconds(values["time"])
        if values["request_id"] is None:
            values["request_id"] = values["id"]
        for document in DOCUMENTS:
            values[document] = self._document(document, row)
        return Record(**values)

    def _document(self, document: str, row: Sequence[Any]) -> dict[str, Any]:
        rest = row[self._places[document]]
        if rest is not None:
            found: dict[str, Any] = orjson.loads(rest)
            return found
        shape = _shape(row[self._places[f"{document}_shape"]])
        return {
            name: None if kind is None else self._value(document, name, kind, row)
            for name, kind in shape.members
        }

    def _value(self, document: str, name: str, kind: str, row: Sequence[Any]) -> Any:
        value = row[self._places[_cached_column(document, name, kind)]]
        return orjson.loads(value) if kind == "json" else value


@lru_cache(maxsize=4096)
def _shape(text: str) -> Shape:
    return parse_shape(text)


_cached_column = lru_cache(maxsize=4096)(column_name)


def _column_names(parts: Sequence[Manifest]) -> list[str]:
    typed = {
        column: None for part in parts for each in part.columns.values() for _, _, column in each
    }
    others = [each for document in DOCUMENTS for each in (f"{document}_shape", document)]
    return [*FIXED, *typed, *others]
