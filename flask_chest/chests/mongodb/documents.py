"""Converts records, names and values to MongoDB's documents and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timezone
from typing import Any

from ...query.fields import Field
from ...record.json_line import FIELDS, loads
from ...record.record import Record
from ...record.text_cleaning import replace_nul

# "%" only before these digits, where decoding would misread it: "100%" stays as it is. MongoDB's
# paths cannot express an empty name.
_SPECIAL = re.compile(r"^\$|\.|%(?=2E|24|25|00)|^\Z")
_ENCODED = {"$": "%24", ".": "%2E", "%": "%25", "": "%00"}
_DECODED = {code: character for character, code in _ENCODED.items()}
_MAX_INT = 2**63 - 1
# Only values of these types may need a conversion.
_CONVERTED_TYPES = (dict, list, int)


def encode_name(name: str) -> str:
    """Encode a variable's name for use as a document's key; :func:`decode_name` reverses it."""
    return _SPECIAL.sub(lambda found: _ENCODED[found[0]], name)


def decode_name(key: str) -> str:
    """Return the variable's name that a document's key stands for."""
    return re.sub("%(?:24|2E|25|00)", lambda found: _DECODED[found[0]], key)


def field_path(field: Field) -> str:
    """Return the path of a field within a document."""
    if field.document:
        return f"{field.document}.{encode_name(field.name)}"
    return "_id" if field.name == "id" else field.name


def to_stored(value: Any) -> Any:
    """Encode names and large integers within a value; other values are returned unchanged."""
    if type(value) is dict:
        return {
            encode_name(name): to_stored(each) if type(each) in _CONVERTED_TYPES else each
            for name, each in value.items()
        }
    if type(value) is list:
        return [to_stored(each) for each in value]
    if type(value) is int and value > _MAX_INT:
        from bson.decimal128 import Decimal128

        return Decimal128(str(value))
    return value


def to_document(line: bytes) -> dict[str, Any]:
    """Convert a record's line of JSON to its document."""
    from bson.datetime_ms import DatetimeMS

    values: dict[str, Any] = loads(replace_nul(line))
    document = {"_id": values.pop("id")} | values
    document["time"] = DatetimeMS(values["time"] // 1000)
    document["vars"] = to_stored(values["vars"])
    document["tags"] = to_stored(values["tags"])
    return document


def to_record(document: Mapping[str, Any]) -> Record:
    """Convert a document to its record."""
    values: dict[str, Any] = {name: document[name] for name in FIELDS if name in document}
    values["id"] = document["_id"]
    values["time"] = document["time"].replace(tzinfo=timezone.utc)
    values["vars"] = from_stored(document.get("vars") or {})
    values["tags"] = from_stored(document.get("tags") or {})
    return Record(**values)


def from_stored(value: Any) -> Any:
    """Decode names and large integers within a value; reverts :func:`to_stored`."""
    if isinstance(value, dict):
        return {decode_name(key): from_stored(each) for key, each in value.items()}
    if isinstance(value, list):
        return [from_stored(each) for each in value]
    if type(value).__name__ == "Decimal128":
        return int(value.to_decimal())
    # bson reads long integers as Int64, a subclass of int that JSON encoders do not know.
    return int(value) if type(value).__name__ == "Int64" else value
