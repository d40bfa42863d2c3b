"""Turns a record's line of JSON into line protocol without decoding it, if its shape is known.

Most records of an app have one of a few shapes: a route, and variables of certain types. Lines of
one shape differ only in numbers and texts, and JSON and line protocol write these alike as long as
no text has a quote, a backslash or a control character. So each shape has a pattern that extracts
them from the JSON, and a template that inserts them into line protocol. This takes half the time of
decoding the JSON alone. A line that matches no pattern is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from ...record.json_line import FIELDS, SHARED, dumps

_NUMBER = rb"(-?[0-9][0-9.eE+-]*)"
# JSON writes a control character with a backslash, except DEL.
_TEXT = rb'"([^"\\\x7f]*)"'
_VALUES: dict[type, tuple[bytes, bytes]] = {
    int: (_NUMBER, b"%b"),
    float: (_NUMBER, b"%b"),
    bool: (b"(true|false)", b"%b"),
    str: (_TEXT, b'"%b"'),
}
_FIELD_PATTERNS = {
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

# A pattern takes a few kilobytes and a millisecond to compile.
_MAX_TEMPLATES = 256
_MAX_SHAPES_SEEN = 10_000

_Match = Callable[[bytes, int, int], "re.Match[bytes] | None"]


class LineTemplates:
    """Patterns and templates for the shapes of lines that were seen more than once."""

    def __init__(self) -> None:
        #: Suffix of a line, from ``status`` on -> patterns for the beginning of the line and their
        #: templates. The groups of a pattern are id, time, request id, duration and the variables;
        #: a template takes variables, duration, request id and a time.
        self.by_suffix: dict[bytes, list[tuple[_Match, bytes]]] = {}
        self._seen: set[tuple[Any, ...]] = set()
        self._count = 0

    def learn(
        self, line: bytes, record: Mapping[str, Any], series: str, keys: Sequence[str]
    ) -> None:
        """Add a template for the shape of a line, if it can have one and was seen before.

        :param record: the decoded line.
        :param series: measurement and tags of the point.
        :param keys: the encoded names of the variables' fields.
        """
        variables = record["vars"]
        shape = (series, *variables, *map(type, variables.values()))
        if shape not in self._seen:
            if len(self._seen) < _MAX_SHAPES_SEEN:
                self._seen.add(shape)
            return
        kinds = [_VALUES.get(type(value)) for value in variables.values()]
        if self._count >= _MAX_TEMPLATES or None in kinds or not _has_template(record, keys):
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
        self.by_suffix.setdefault(line[at:], []).insert(0, (match, template))
        self._count += 1


def _has_template(record: Mapping[str, Any], keys: Sequence[str]) -> bool:
    if len(keys) != len(record["vars"]) or record.keys() != set(FIELDS):
        return False
    return record["error"] is None and record["sample_rate"] == 1


def _pattern(record: Mapping[str, Any], kinds: Sequence[bytes]) -> bytes:
    """Return the pattern of a line up to its suffix."""
    variables = (_name(name) + kind for name, kind in zip(record["vars"], kinds, strict=True))
    values = {
        **{name: re.escape(dumps(value)) for name, value in record.items()},
        **_FIELD_PATTERNS,
        "vars": rb"\{" + b",".join(variables) + rb"\}",
    }
    beginning = takewhile(lambda name: name != "status", record)
    return rb"\{" + b",".join(_name(name) + values[name] for name in beginning)


def _name(name: str) -> bytes:
    return re.escape(dumps(name)) + b":"
