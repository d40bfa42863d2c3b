"""How commands print: JSON, tables, sparklines, progress bars, and text that is safe to print."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
import orjson

from ..delivery.journal.app_scope import storable_text
from ..query.values import number_spelling
from ..record.printable_text import escape_json, printable

_BARS = "▁▂▃▄▅▆▇█"

#: How an app records more than what its views put on ``g``.
FACTS_HINT = "to record further facts: app.config['CHEST_FACTS'] = 'all'"


def print_json(content: Any) -> None:
    """Print a value as one line of JSON, which cannot control a terminal."""
    try:
        encoded = orjson.dumps(content, default=str)
    except TypeError:  # a path whose bytes are not text
        encoded = orjson.dumps(_storable(content), default=str)
    click.echo(escape_json(encoded).decode())


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {_storable(name): _storable(each) for name, each in value.items()}
    return [*map(_storable, value)] if isinstance(value, list | tuple) else value


def print_warning(text: str) -> None:
    """Print a line to standard error, in yellow on a terminal."""
    click.secho(printable(text), fg="yellow", err=True)


def one_line(value: object, max_length: int = 60) -> str:
    """Format a value so that it cannot control a terminal.

    Escape sequences, line breaks and characters that change the text direction are replaced.

    :param max_length: in characters; longer text is cut.
    """
    text = printable(str(value))
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def as_text(value: object) -> str:
    """Format a variable as JSON; a string without quotes."""
    if isinstance(value, float):
        return number_spelling(value)  # the form that filters accept
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def sparkline(values: Sequence[float]) -> str:
    """Draw values as bars of eight heights."""
    highest = max(values, default=0)
    if highest <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, int(value / highest * 7.999))] for value in values)


def fits(text: str) -> bool:
    """Return whether no line is wider than the terminal; always true without a terminal."""
    if not sys.stdout.isatty():
        return True
    return max(map(len, text.splitlines())) <= shutil.get_terminal_size().columns


@contextmanager
def progress(label: str, length: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error; nothing if that is not a terminal.

    :param length: the number of steps; ``None`` if unknown.
    :returns: a function that takes the number of steps done since its last call.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=length or 0, label=label, file=sys.stderr) as bar:
        yield bar.update


def render_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Render a table as lines of text; columns of numbers are right-aligned.

    :param header: the names of the columns.
    :param rows: one sequence of cells per row.
    """
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [
        max(len(line[column]) for line in [list(header), *cells]) for column in range(len(header))
    ]
    numeric = [
        bool(rows) and all(isinstance(row[column], (int, float)) for row in rows)
        for column in range(len(header))
    ]
    lines = [_render_row(header, widths, numeric), "  ".join("-" * width for width in widths)]
    return "\n".join([*lines, *(_render_row(row, widths, numeric) for row in cells)])


def _render_row(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    )
    return "  ".join(parts).rstrip()
