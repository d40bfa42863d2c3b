"""Records as rows of text, in whatever way a database spells them.

A record's line of JSON is cut, not decoded: its variables stay the JSON that they are, and the end
of the line, which is the same in most records of a route, is spelled once. Lines that were not made
like those of requests are decoded.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from ....record.encoding import FIELDS, dumps, from_microseconds, loads
from ...batches import replace_nul

_HEAD = ("id", "time", "request_id", "duration_ms", "vars", "trace_id")
_TAIL = tuple(name for name in FIELDS if name not in _HEAD)
#: The columns of a row, in its order.
COLUMNS = (*_HEAD, *_TAIL)

# Ten digits of seconds: 2001 to 2286. Variables without a dict among them are found at once; where
# others end is right when the end is JSON of its own.
_LINE = re.compile(
    rb'^\{"id":"([0-9a-f]{32})","time":([0-9]{10})([0-9]{6}),"request_id":"([^"\\\n]*)"'
    rb',"duration_ms":(-?[0-9][0-9.eE+-]*),"vars":(\{[^{}\n]*\}|\{.*\})'
    rb'(?:,"trace_id":"([0-9a-f]{32})")?(,"(?:status|trace_id|error)":.*)$',
    re.MULTILINE,
)
_MOST = 4096


class Rows(ABC):
    """Spells records as rows, remembering what it needs for the next."""

    #: What stands around a text.
    quote: ClassVar[bytes]
    #: What stands between two cells.
    comma: ClassVar[bytes]
    null: ClassVar[bytes]
    #: What a time ends with.
    utc: ClassVar[bytes]

    def __init__(self) -> None:
        self._seconds = _Remembered(_second)
        self._tails = _Remembered(self._make_tail)

    @abstractmethod
    def escape(self, text: bytes) -> bytes:
        """What may stand between quotes."""

    def escape_text(self, text: bytes) -> bytes:
        """The same of text that may hold line breaks and tabs, as JSON does not."""
        return self.escape(text)

    @abstractmethod
    def unescape(self, text: bytes) -> bytes:
        """What was escaped, of JSON."""

    def of(self, lines: Sequence[bytes]) -> list[bytes]:
        """The rows of encoded records, without what stands between them.

        :raises ValueError: a line is no record.
        """
        try:
            return self._cut(lines)
        except ValueError:
            return [self._decoded(line) for line in lines]

    def _cut(self, lines: Sequence[bytes]) -> list[bytes]:
        text = self.escape(replace_nul(b"\n".join(lines)))
        cut = _LINE.findall(text)
        if len(cut) != len(lines) or _breaks_out(text, len(lines)):
            raise ValueError("a line of another make")
        quote, utc, seconds, tails = self.quote, self.utc, self._seconds, self._tails
        between = quote + self.comma + quote
        return [
            quote
            + between.join((id_, seconds[second] + micros + utc, request_id, duration, variables))
            + (between + trace + quote if trace else quote)
            + tails[end]
            for id_, second, micros, request_id, duration, variables, trace, end in cut
        ]

    def _make_tail(self, piece: bytes) -> bytes:
        """The cells behind the variables; without the trace where it was cut out."""
        values = loads(b"{" + self.unescape(piece[1:]))
        names = COLUMNS[COLUMNS.index("trace_id") :] if "trace_id" in values else _TAIL
        if values.keys() != set(names):
            raise ValueError("a line of another make")
        return b"".join(self.comma + self._cell(name, values[name]) for name in names)

    def _decoded(self, line: bytes) -> bytes:
        values = loads(replace_nul(line))
        try:
            moment = from_microseconds(values["time"]).replace(tzinfo=None)
            values["time"] = moment.isoformat(" ") + self.utc.decode()
            return self.comma.join(self._cell(name, values.get(name)) for name in COLUMNS)
        except (ArithmeticError, LookupError, TypeError) as error:
            raise ValueError(f"no record: {type(error).__name__}") from None

    def _cell(self, name: str, value: object) -> bytes:
        if value is None:
            return self.null
        if name in {"vars", "tags"}:
            return self.quote + self.escape(dumps(value)) + self.quote
        if isinstance(value, str):
            return self.quote + self.escape_text(value.encode()) + self.quote
        return dumps(value)


class _Remembered(dict[bytes, bytes]):
    """What pieces of lines become."""

    def __init__(self, make: Callable[[bytes], bytes]) -> None:
        self._make = make

    def __missing__(self, piece: bytes) -> bytes:
        if len(self) >= _MOST:
            self.clear()
        made = self[piece] = self._make(piece)
        return made


def _second(piece: bytes) -> bytes:
    """A second since 1970 as a time up to its decimal point."""
    return f"{from_microseconds(int(piece) * 1_000_000):%Y-%m-%d %H:%M:%S}.".encode()


def _breaks_out(text: bytes, count: int) -> bool:
    """Whether there are more cells, or lines, than it seems: JSON escapes what ends them."""
    return b"\t" in text or b"\r" in text or text.count(b"\n") != count - 1
