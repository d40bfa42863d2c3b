"""Rows as the ``VALUES`` of an ``INSERT`` for MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Sequence

from ..row_text import Rows


class ValuesText(Rows):
    """Rows in parentheses, with text in quotes and backslash as the escape character."""

    quote = b"'"
    separator = b","
    null = b"NULL"
    # The column has no time zone.
    utc = b""

    def join(self, rows: Sequence[bytes]) -> bytes:
        """Join formatted rows."""
        return b"(" + b"),(".join(rows) + b")"

    def escape(self, text: bytes) -> bytes:
        return text.replace(b"\\", rb"\\").replace(b"'", b"''")

    def unescape(self, text: bytes) -> bytes:
        return text.replace(b"''", b"'").replace(rb"\\", b"\\")
