"""Rows as the ``VALUES`` of an ``INSERT`` for MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Sequence

from .rows import Rows


class ValuesText(Rows):
    """Rows in parentheses; text in quotes, where a backslash escapes."""

    quote = b"'"
    comma = b","
    null = b"NULL"
    # Of a column that knows no time zones.
    utc = b""

    def values(self, lines: Sequence[bytes]) -> bytes:
        """The rows of encoded records.

        :raises ValueError: a line is no record.
        """
        return b"(" + b"),(".join(self.of(lines)) + b")"

    def escape(self, text: bytes) -> bytes:
        return text.replace(b"\\", rb"\\").replace(b"'", b"''")

    def unescape(self, text: bytes) -> bytes:
        return text.replace(b"''", b"'").replace(rb"\\", b"\\")
