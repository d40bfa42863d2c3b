"""Prepares parts of a record for its page: where the time went, and the lines of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..record.record import Record

#: The first folder in the path of a library's frame, see ``capture/exception_description.py``.
_LIBRARY_FOLDERS = ("site-packages/", "dist-packages/", "stdlib/", "<")
_FRAME = '  File "'
_SUFFIX = ".ms"
# What the libraries' measures measure; none is a part of another.
_LIBRARIES = ("db", "http", "redis", "template")
# Units of a bar's width.
_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a request's time.

    :param name: e.g. ``db`` or ``span.price``.
    :param number: the number of its colour.
    :param start: where it begins in the bar, of 1000. Parts are drawn one after another; in the
        request they may alternate or overlap.
    :param width: its width in the bar.
    """

    name: str
    milliseconds: float
    count: int | None
    number: int
    start: float
    width: float


def time_parts(record: Record) -> list[Part]:
    """Return the parts of a request's time: libraries as one bar, spans each as a bar."""
    parts: list[Part] = []
    offset = 0.0
    for name, spent in _measured(record):
        longest = max(record.duration_ms or 0.0, spent, 0.001)
        start = offset if name in _LIBRARIES else 0.0
        width = min(spent / longest * _WIDTH, _WIDTH - start)
        if name in _LIBRARIES:
            offset += width
        count = record.vars.get(f"{name}.count")
        shown = count if isinstance(count, int) else None
        parts.append(Part(name, spent, shown, len(parts) % 8, round(start, 1), round(width, 1)))
    return parts


def _measured(record: Record) -> Iterator[tuple[str, float]]:
    names = [f"{each}{_SUFFIX}" for each in _LIBRARIES]
    names += [each for each in record.vars if each.startswith("span.") and each.endswith(_SUFFIX)]
    for name in names:
        value = record.vars.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
            yield name.removesuffix(_SUFFIX), float(value)


def own_frames(stacktrace: str) -> list[tuple[str, bool]]:
    """Return the lines of a traceback, and whether each is a frame of the app's own code."""
    lines: list[tuple[str, bool]] = []
    own = False
    for line in stacktrace.splitlines():
        content = line.lstrip("| ")
        if content.startswith(_FRAME.strip()):
            own = not content[len(_FRAME.strip()) :].startswith(_LIBRARY_FOLDERS)
        elif not line.startswith("    "):
            own = False
        lines.append((line, own))
    return lines
