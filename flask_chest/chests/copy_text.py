"""Records in the text format of PostgreSQL's ``COPY``: one record, one row, one line.

https://www.postgresql.org/docs/current/sql-copy.html

A record's line of JSON is cut, not decoded: its variables stay the JSON that they are, and the end
of the line, which is the same in most records of a route, is spelled once. Lines that were not made
like those of requests are decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..encoding import FIELDS, dumps, from_microseconds, loads
from .lines import without_nul

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
_NULL = rb"\N"
_ESCAPES = {ord("\\"): r"\\", ord("\t"): r"\t", ord("\n"): r"\n", ord("\r"): r"\r"}

# Some milliseconds of a server's work: it is at the first rows while the next are cut.
_PART = 100
_MOST = 4096


class CopyText:
    """Spells records as rows, remembering what it needs for the next."""

    def __init__(self) -> None:
        self._seconds = _Seconds()
        self._tails = _Tails()

    def parts(self, lines: Sequence[bytes]) -> Iterator[bytes]:
        """The rows of encoded records, in parts that can be sent one by one.

        :raises ValueError: a line is no record.
        """
        for start in range(0, len(lines), _PART):
            part = lines[start : start + _PART]
            try:
                rows = self._cut(part)
            except ValueError:
                rows = [_decoded(line) for line in part]
            yield b"\n".join(rows) + b"\n"

    def _cut(self, lines: Sequence[bytes]) -> list[bytes]:
        # COPY takes backslashes for its own; but for those in JSON there are none.
        text = without_nul(b"\n".join(lines)).replace(b"\\", rb"\\")
        cut = _LINE.findall(text)
        if len(cut) != len(lines) or _breaks_out(text, len(lines)):
            raise ValueError("a line of another make")
        seconds, tails = self._seconds, self._tails
        return [
            b"\t".join(
                (
                    identity,
                    seconds[second] + micros + b"+00",
                    request_id,
                    duration,
                    variables,
                    trace + tails[end],
                )
            )
            for identity, second, micros, request_id, duration, variables, trace, end in cut
        ]


def _breaks_out(text: bytes, count: int) -> bool:
    """Whether there are more cells, or lines, than it seems: JSON escapes what ends them."""
    return b"\t" in text or b"\r" in text or text.count(b"\n") != count - 1


class _Remembered(dict[bytes, bytes]):
    """What pieces of lines become."""

    def __missing__(self, piece: bytes) -> bytes:
        if len(self) >= _MOST:
            self.clear()
        made = self[piece] = self.make(piece)
        return made

    def make(self, piece: bytes) -> bytes:
        raise NotImplementedError


class _Seconds(_Remembered):
    """Seconds since 1970, as a time up to its decimal point."""

    def make(self, piece: bytes) -> bytes:
        return f"{from_microseconds(int(piece) * 1_000_000):%Y-%m-%d %H:%M:%S}.".encode()


class _Tails(_Remembered):
    """Ends of lines, as the cells behind the variables; without the trace where it is cut out."""

    def make(self, piece: bytes) -> bytes:
        values = loads(b"{" + piece[1:].replace(rb"\\", b"\\"))
        trace = _cell(values.pop("trace_id")) if "trace_id" in values else b""
        if values.keys() != set(_TAIL):
            raise ValueError("a line of another make")
        return b"\t".join((trace, *_tail(values)))


def _decoded(line: bytes) -> bytes:
    values = loads(without_nul(line))
    try:
        head = (
            _cell(values["id"]),
            from_microseconds(values["time"]).isoformat().encode(),
            _cell(values["request_id"]),
            _cell(values["duration_ms"]),
            _document(values["vars"]),
            _cell(values["trace_id"]),
        )
        return b"\t".join((*head, *_tail(values)))
    except (ArithmeticError, LookupError, TypeError) as error:
        raise ValueError(f"no record: {type(error).__name__}") from None


def _tail(values: Mapping[str, Any]) -> list[bytes]:
    return [(_document if name == "tags" else _cell)(values[name]) for name in _TAIL]


def _cell(value: object) -> bytes:
    if value is None:
        return _NULL
    return value.translate(_ESCAPES).encode() if isinstance(value, str) else dumps(value)


def _document(value: object) -> bytes:
    return dumps(value).replace(b"\\", rb"\\")
