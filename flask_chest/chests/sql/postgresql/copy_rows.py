"""Rows in the text format of PostgreSQL's ``COPY``.

https://www.postgresql.org/docs/current/sql-copy.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .. import jsonb_numbers
from ..row_text import Rows

_ESCAPES = ((b"\\", rb"\\"), (b"\t", rb"\t"), (b"\n", rb"\n"), (b"\r", rb"\r"))
# Rows per part. The server works on one part while the next one is formatted.
_PART = 100


class CopyText(Rows):
    """One line for each row; tabs separate the cells."""

    quote = b""
    separator = b"\t"
    null = rb"\N"
    utc = b"+00"

    def load(self, text: bytes) -> Any:
        return jsonb_numbers.loads(text)

    def dump(self, document: object) -> bytes:
        return jsonb_numbers.dumps(document)

    def parts(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        """The rows of encoded records, in parts that are sent one by one.

        :raises ValueError: a line is not a record.
        """
        for start in range(0, len(lines), _PART):
            yield b"\n".join(self.format(lines[start : start + _PART])) + b"\n"

    def escape(self, text: bytes) -> bytes:
        return text.replace(b"\\", rb"\\")

    def escape_text(self, text: bytes) -> bytes:
        for byte, escaped in _ESCAPES:
            text = text.replace(byte, escaped)
        return text

    def unescape(self, text: bytes) -> bytes:
        return text.replace(rb"\\", b"\\")
