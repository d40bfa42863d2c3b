"""Rows in the text format of PostgreSQL's ``COPY``.

https://www.postgresql.org/docs/current/sql-copy.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .rows import Rows

_BREAKS = ((b"\\", rb"\\"), (b"\t", rb"\t"), (b"\n", rb"\n"), (b"\r", rb"\r"))
# Some milliseconds of a server's work: it is at the first rows while the next are cut.
_PART = 100


class CopyText(Rows):
    """One row, one line; cells lie between tabs."""

    quote = b""
    comma = b"\t"
    null = rb"\N"
    utc = b"+00"

    def parts(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        """The rows of encoded records, in parts that can be sent one by one.

        :raises ValueError: a line is no record.
        """
        for start in range(0, len(lines), _PART):
            yield b"\n".join(self.of(lines[start : start + _PART])) + b"\n"

    def escape(self, text: bytes) -> bytes:
        return text.replace(b"\\", rb"\\")

    def escape_text(self, text: bytes) -> bytes:
        for byte, escaped in _BREAKS:
            text = text.replace(byte, escaped)
        return text

    def unescape(self, text: bytes) -> bytes:
        return text.replace(rb"\\", b"\\")
