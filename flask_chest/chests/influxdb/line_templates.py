"""The short way from a record's line of JSON to a line of line protocol, for lines that look alike.

Most records of an app have one of a few shapes: a route, and which variables of which types. Of
such a line all that differs are numbers and texts, which JSON and line protocol spell alike, as
long as no text holds a quote, a backslash or a control character. So for each shape there is a
pattern that picks them out of the one line, and a template that puts them into the other: half the
time that decoding takes, and the encoding is done with it. A line that does not match goes the long
way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from ...record.encoding import FIELDS, SHARED, dumps

_NUMBER = rb"(-?[0-9][0-9.eE+-]*)"
# JSON writes a control character with a backslash, except DEL.
_TEXT = rb'"([^"\\\x7f]*)"'
_VALUES: dict[type, tuple[bytes, bytes]] = {
    int: (_NUMBER, b"%b"),
    float: (_NUMBER, b"%b"),
    bool: (b"(true|false)", b"%b"),
    str: (_TEXT, b'"%b"'),
}
_ALIKE = {
    "id": rb'"([0-9a-f]{32})"',
    "time": rb"([0-9]+)",
    "kind": rb'"[a-z]+"',
    "request_id": _TEXT,
    "trace_id": rb'(?:null|"[0-9a-f]+")',
    "duration_ms": _NUMBER,
    "error": rb"null",
    "sample_rate": rb"1(?:\.0)?",
    "bytes_sent": rb"(?:null|[0-9]+)",
    "disconnected": rb"(?:null|true|false)",
}

# A pattern takes some kilobytes and a millisecond to make. Past this many an app has no shapes.
_MOST = 256
_MOST_SEEN = 10_000

_Match = Callable[[bytes, int, int], "re.Match[bytes] | None"]


class LineShapes:
    """The shapes of lines that were seen more than once."""

    def __init__(self) -> None:
        #: By the end of a line, from ``status`` on: what the rest of it must match, and the
        #: template for it. Groups are id, time, request id, duration, then the variables; the
        #: template takes variables, duration, request id and a time.
        self.by_end: dict[bytes, list[tuple[_Match, bytes]]] = {}
        self._seen: set[tuple[Any, ...]] = set()
        self._count = 0

    def learn(
        self, line: bytes, record: Mapping[str, Any], series: str, keys: Sequence[str]
    ) -> None:
        """Take in the shape of a line that went the long way.

        :param series: what its line begins with.
        :param keys: the names of its fields, as they are written.
        """
        variables = record["vars"]
        look = (series, *variables, *map(type, variables.values()))
        if look not in self._seen:
            if len(self._seen) < _MOST_SEEN:
                self._seen.add(look)
            return
        if self._count >= _MOST or len(keys) != len(variables) or record.keys() != set(FIELDS):
            return
        if record["error"] is not None or record["sample_rate"] != 1:
            return
        kinds = [_VALUES.get(type(value)) for value in variables.values()]
        if None in kinds:
            return
        at = line.rfind(SHARED)
        pattern = _pattern(record, [kind[0] for kind in kinds if kind])
        match = re.compile(pattern, re.DOTALL).fullmatch
        if match(line, 0, at) is None:
            return
        fields = [
            key.encode().replace(b"%", b"%%") + b"=" + kind[1] + b","
            for key, kind in zip(keys, kinds, strict=True)
            if kind
        ]
        start = series.encode().replace(b"%", b"%%")
        template = start + b" " + b"".join(fields) + b'duration_ms=%b,request_id="%b" %d'
        self.by_end.setdefault(line[at:], []).insert(0, (match, template))
        self._count += 1


def _pattern(record: Mapping[str, Any], kinds: Sequence[bytes]) -> bytes:
    """What the line begins with, up to what its end is known by."""
    variables = (_name(name) + kind for name, kind in zip(record["vars"], kinds, strict=True))
    values = {
        **{name: re.escape(dumps(value)) for name, value in record.items()},
        **_ALIKE,
        "vars": rb"\{" + b",".join(variables) + rb"\}",
    }
    beginning = takewhile(lambda name: name != "status", record)
    return rb"\{" + b",".join(_name(name) + values[name] for name in beginning)


def _name(name: str) -> bytes:
    return re.escape(dumps(name)) + b":"
