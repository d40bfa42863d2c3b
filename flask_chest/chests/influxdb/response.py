"""What InfluxDB and its kin say when they refuse lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

# Cloud: "line 2" in words; version 3: a list of {"line_number": 2, ...}; version 2 on parsing: the
# line itself; version 2 on storing: only how many, and the first reason.
_LINE_IN_WORDS = re.compile(r"(?:parsing|at|on) line (\d+)\b")
_UNPARSABLE = re.compile(r"unable to parse '(.*?)': ", re.DOTALL)
_CONFLICT = re.compile(
    r'input field "(?P<field>.+?)" on measurement ".*?" is type (?P<type>\w+), already exists',
    re.DOTALL,
)
_LENGTH = 300


def find_bad_lines(answer: str, lines: Sequence[bytes]) -> set[int]:
    """The lines that an answer names, counted from 0; empty where it names none."""
    values = _json(answer)
    message = _message(values, answer)
    quoted = set(_UNPARSABLE.findall(message))
    if quoted:
        # What else stands there may be a user's text.
        return {index for index, line in enumerate(lines) if line.decode() in quoted}
    numbers = {int(number) for number in _LINE_IN_WORDS.findall(message)}
    if isinstance(values.get("line"), int):
        numbers.add(values["line"])
    details = values.get("data")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, Mapping) and isinstance(detail.get("line_number"), int):
            numbers.add(detail["line_number"])
    return {number - 1 for number in numbers if 1 <= number <= len(lines)}


def find_conflict(answer: str) -> tuple[str, str] | None:
    """The field, and the type of ours that it cannot take; ``None`` if that is not the matter."""
    found = _CONFLICT.search(_message(_json(answer), answer))
    return None if found is None else (found["field"], found["type"])


def told(status: int, answer: str) -> str:
    """Status and message on one line."""
    words = " ".join(_message(_json(answer), answer).split())
    return f"it answered {status} {words[:_LENGTH]}".rstrip()


def _json(answer: str) -> dict[str, Any]:
    try:
        values = json.loads(answer)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def _message(values: Mapping[str, Any], answer: str) -> str:
    for name in ("message", "error"):
        if isinstance(values.get(name), str):
            text: str = values[name]
            return text
    return answer
