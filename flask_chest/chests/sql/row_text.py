"""Formats records as rows of text, in the syntax of a database.

A record's line of JSON is split, not decoded: the variables stay JSON, and the end of the line,
which is the same in most records of a route, is formatted once. Lines with another layout than the
lines of requests are decoded.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ...record.json_line import FIELDS, dumps, from_microseconds, loads
from ...record.text_cleaning import replace_nul

_HEAD = ("id", "time", "request_id", "duration_ms", "vars", "trace_id")
_TAIL = tuple(name for name in FIELDS if name not in _HEAD)
#: The columns of a row, in order.
COLUMNS = (*_HEAD, *_TAIL)

# Ten digits of seconds are the years 2001 to 2286. The variables end at the first brace if there is
# no nested object. Otherwise the match is right if the rest of the line is valid JSON.
_LINE = re.compile(
    rb'^\{"id":"([0-9a-f]{32})","time":([0-9]{10})([0-9]{6}),"request_id":"([^"\\\n]*)"'
    rb',"duration_ms":(-?[0-9][0-9.eE+-]*),"vars":(\{[^{}\n]*\}|\{.*\})'
    rb'(?:,"trace_id":"([0-9a-f]{32})")?(,"(?:status|trace_id|error)":.*)$',
    re.MULTILINE,
)
_MAX_CACHED = 4096


class Rows(ABC):
    """Formats records as rows, and caches parts that many rows share."""

    #: The quotation mark around text.
    quote: ClassVar[bytes]
    #: The separator of cells.
    separator: ClassVar[bytes]
    null: ClassVar[bytes]
    #: The suffix of a time.
    utc: ClassVar[bytes]

    def __init__(self) -> None:
        self._seconds = _Cache(_second)
        self._tails = _Cache(self._make_tail)

    def load(self, text: bytes) -> Any:
        """Parse a text of JSON."""
        return loads(text)

    def dump(self, document: object) -> bytes:
        """Encode the variables or the tags as JSON."""
        return dumps(document)

    @abstractmethod
    def escape(self, text: bytes) -> bytes:
        """Escape text for use between quotation marks."""

    def escape_text(self, text: bytes) -> bytes:
        """Escape text that may hold line breaks and tabs, unlike JSON."""
        return self.escape(text)

    @abstractmethod
    def unescape(self, text: bytes) -> bytes:
        """Revert :meth:`escape`."""

    def format(self, lines: Sequence[bytes]) -> list[bytes]:
        """The rows of encoded records.

        :raises ValueError: a line is not a record.
        """
        try:
            return self._split(lines)
        except ValueError:
            return [self._decode(line) for line in lines]

    def _split(self, lines: Sequence[bytes]) -> list[bytes]:
        text = self.escape(replace_nul(b"\n".join(lines)))
        matches = _LINE.findall(text)
        if len(matches) != len(lines) or _has_extra_breaks(text, len(lines)):
            raise ValueError("the line has another layout")
        quote, utc, seconds, tails = self.quote, self.utc, self._seconds, self._tails
        separator = quote + self.separator + quote
        return [
            quote
            + separator.join((id_, seconds[second] + micros + utc, request_id, duration, variables))
            + (separator + trace + quote if trace else quote)
            + tails[end]
            for id_, second, micros, request_id, duration, variables, trace, end in matches
        ]

    def _make_tail(self, piece: bytes) -> bytes:
        """The cells after the variables; without the trace id if the line had it before them."""
        values = self.load(b"{" + self.unescape(piece[1:]))
        names = COLUMNS[COLUMNS.index("trace_id") :] if "trace_id" in values else _TAIL
        if values.keys() != set(names):
            raise ValueError("the line has another layout")
        return b"".join(self.separator + self._cell(name, values[name]) for name in names)

    def _decode(self, line: bytes) -> bytes:
        values = self.load(replace_nul(line))
        try:
            moment = from_microseconds(values["time"]).replace(tzinfo=None)
            values["time"] = moment.isoformat(" ") + self.utc.decode()
            return self.separator.join(self._cell(name, values.get(name)) for name in COLUMNS)
        except (ArithmeticError, LookupError, TypeError) as error:
            raise ValueError(f"not a record: {type(error).__name__}") from None

    def _cell(self, name: str, value: object) -> bytes:
        if value is None:
            return self.null
        if name in {"vars", "tags"}:
            return self.quote + self.escape(self.dump(value)) + self.quote
        if isinstance(value, str):
            return self.quote + self.escape_text(value.encode()) + self.quote
        return dumps(value)


class _Cache(dict[bytes, bytes]):
    """The formatted parts of lines, by part."""

    def __init__(self, make: Callable[[bytes], bytes]) -> None:
        self._make = make

    def __missing__(self, piece: bytes) -> bytes:
        if len(self) >= _MAX_CACHED:
            self.clear()
        formatted = self[piece] = self._make(piece)
        return formatted


def _second(piece: bytes) -> bytes:
    """Format seconds since 1970 as a time, up to the decimal point."""
    return f"{from_microseconds(int(piece) * 1_000_000):%Y-%m-%d %H:%M:%S}.".encode()


def _has_extra_breaks(text: bytes, count: int) -> bool:
    """Whether the text has unescaped tabs or line breaks, which JSON always escapes."""
    return b"\t" in text or b"\r" in text or text.count(b"\n") != count - 1
