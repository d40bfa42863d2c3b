"""Writes records as CSV, safe against formula injection in spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence

import orjson

from ..record.record import Record
from .export_ndjson import to_mapping

# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_COLUMNS = (
    *("id", "time", "kind", "request_id", "trace_id", "method", "route", "endpoint", "blueprint"),
    *("status", "duration_ms", "error", "sample_rate", "bytes_sent", "disconnected"),
)


def csv_lines(
    records: Iterable[Record],
    variables: Sequence[str] = (),
    convert_text: Callable[[str], str] = str,
) -> Iterator[bytes]:
    """Yield a header, then one line for each record.

    :param variables: names of variables that get their own column. The column ``vars`` holds all
        variables as JSON.
    :param convert_text: applied to the text of each cell, for example to make it printable.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    names = [_cell(f"vars.{name}", convert_text) for name in variables]
    writer.writerow([*_COLUMNS, "vars", "tags", *names])
    for record in records:
        yield _drain(buffer)
        values = to_mapping(record)
        named = [record.vars.get(name) for name in variables]
        cells = [*(values[name] for name in _COLUMNS), record.vars, record.tags, *named]
        writer.writerow([_cell(each, convert_text) for each in cells])
    yield _drain(buffer)


def _cell(value: object, convert_text: Callable[[str], str]) -> object:
    if isinstance(value, (dict, list)):
        value = orjson.dumps(value, default=str).decode()
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return value
    text = convert_text(value)
    return f"'{text}" if value.lstrip(" ").startswith(_FORMULA) else text


def _drain(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8", "replace")
