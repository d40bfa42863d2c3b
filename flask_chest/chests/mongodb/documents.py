"""Records and fields as they stand in MongoDB's documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timezone
from typing import Any

from ...query.fields import Field
from ...record.encoding import FIELDS
from ...record.record import Record
from .chest import read_name, spell, storable


def path_of(field: Field) -> str:
    """Where a field stands."""
    if field.document:
        return f"{field.document}.{spell(field.name)}"
    return "_id" if field.name == "id" else field.name


def to_stored(value: Any) -> Any:
    """A value as it stands there."""
    return storable(value)


def read_document(document: Mapping[str, Any]) -> Record:
    """The record of a document."""
    values: dict[str, Any] = {name: document[name] for name in FIELDS if name in document}
    values["id"] = document["_id"]
    values["time"] = document["time"].replace(tzinfo=timezone.utc)
    values["vars"] = _read(document.get("vars") or {})
    values["tags"] = _read(document.get("tags") or {})
    return Record(**values)


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {read_name(name): _read(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_read(each) for each in value]
    if type(value).__name__ == "Decimal128":
        return int(value.to_decimal())
    # bson's Int64 is an int of its own, which JSON does not know.
    return int(value) if type(value).__name__ == "Int64" else value
