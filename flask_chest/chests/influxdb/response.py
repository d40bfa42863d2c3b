"""Reads the responses of InfluxDB and of compatible servers that refuse lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..error_messages import describe_status

# How servers name a bad line. InfluxDB Cloud: "line 2" in the message. Version 3: a list of
# {"line_number": 2, ...}. Version 2: the line itself if it cannot be parsed, but only the number of
# bad lines and the first reason if they cannot be stored.
_LINE_IN_WORDS = re.compile(r"(?:parsing|at|on) line (\d+)\b")
_UNPARSABLE = re.compile(r"unable to parse '(.*?)': ", re.DOTALL)
_CONFLICT = re.compile(
    r'input field "(?P<field>.+?)" on measurement ".*?" is type (?P<type>\w+), already exists',
    re.DOTALL,
)
_MAX_MESSAGE_LENGTH = 1000
_PARTIAL_WRITE = "partial write: points beyond retention policy"


class WriteResult(NamedTuple):
    """The response to a write.

    :param retry_after: seconds that the server asks to wait; ``None`` if it does not ask.
    """

    status: int
    body: str
    retry_after: float | None

    def summarize(self) -> str:
        """Return the status in our own words: the server's quote lines with users' values."""
        return describe_status(self.status)

    def quote(self) -> str:
        """Return the server's own words, for the log at level DEBUG."""
        message = " ".join(_message(_json(self.body), self.body).split())
        return f"{self.status} {message[:_MAX_MESSAGE_LENGTH]}".rstrip()

    @property
    def drops_points(self) -> bool:
        """Whether the server will never store some of the points, whatever its status says.

        InfluxDB answers with 500 or 422 if points are older than the bucket's retention. It has
        stored the other points.
        """
        return self.status >= 400 and _PARTIAL_WRITE in _message(_json(self.body), self.body)


def find_bad_lines(body: str, lines: Sequence[bytes]) -> set[int]:
    """Return the indexes of the lines that a response names; empty if it names none."""
    values = _json(body)
    message = _message(values, body)
    quoted = set(_UNPARSABLE.findall(message))
    if quoted:
        # A number in the rest of the message may be part of a user's text.
        return {index for index, line in enumerate(lines) if line.decode() in quoted}
    numbers = {int(number) for number in _LINE_IN_WORDS.findall(message)}
    if isinstance(values.get("line"), int):
        numbers.add(values["line"])
    details = values.get("data")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, Mapping) and isinstance(detail.get("line_number"), int):
            numbers.add(detail["line_number"])
    return {number - 1 for number in numbers if 1 <= number <= len(lines)}


def find_conflict(body: str) -> tuple[str, str] | None:
    """Return the conflicting field and the type that was sent; ``None`` for any other error."""
    found = _CONFLICT.search(_message(_json(body), body))
    return None if found is None else (found["field"], found["type"])


def _json(body: str) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _message(values: Mapping[str, Any], body: str) -> str:
    for name in ("message", "error"):
        if isinstance(values.get(name), str):
            text: str = values[name]
            return text
    return body
