"""How commands print: JSON, safe text, sparklines, progress."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
import orjson

from ..query.matching import json_text

_BARS = "▁▂▃▄▅▆▇█"


def print_json(content: Any) -> None:
    """One line of JSON."""
    click.echo(orjson.dumps(content, default=str).decode())


def one_line(value: object, most: int = 60) -> str:
    """A value that can do nothing to a terminal: no escapes, line breaks, changes of direction.

    :param most: characters.
    """
    text = "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value)
    )
    return text if len(text) <= most else f"{text[: most - 1]}…"


def as_text(value: object) -> str:
    """A variable as it was stored: JSON, but for words, which need no quotes here."""
    if isinstance(value, float):
        return json_text(value)  # as filters take it
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def sparkline(values: Sequence[float]) -> str:
    """Values as bars of eight heights."""
    highest = max(values, default=0)
    if highest <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, int(value / highest * 7.999))] for value in values)


def fits(text: str) -> bool:
    """Whether lines are shown whole: always, where standard output is no terminal."""
    if not sys.stdout.isatty():
        return True
    return max(map(len, text.splitlines())) <= shutil.get_terminal_size().columns


@contextmanager
def progress(label: str, length: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal; nothing elsewhere.

    :param length: how many steps there are; ``None`` where that is not known.
    :returns: what takes the number of steps done since the last call.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=length or 0, label=label, file=sys.stderr) as bar:
        yield bar.update


def render(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as lines of text; columns of numbers are aligned to the right.

    :param header: the columns' names.
    :param rows: one sequence of cells per row.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [
        max(len(line[column]) for line in [list(header), *cells]) for column in range(len(header))
    ]
    numeric = [
        bool(rows) and all(isinstance(row[column], (int, float)) for row in rows)
        for column in range(len(header))
    ]
    lines = [_line(header, widths, numeric), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_line(row, widths, numeric) for row in cells)])


def _text(cell: object) -> str:
    return "-" if cell is None else str(cell)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    )
    return "  ".join(parts).rstrip()
