"""A report on ``chest.db`` in plain SQL."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

ROUTES = """
    with timed as (
        select coalesce(route, '(no route)') as route, method, status, duration_ms,
               cume_dist() over (partition by route, method order by duration_ms) as share
        from chest_records where kind = 'request'
    )
    select route, method, count(*), sum(status between 400 and 499), sum(status >= 500),
           min(case when share >= 0.50 then duration_ms end),
           min(case when share >= 0.95 then duration_ms end)
    from timed group by route, method order by count(*) desc, route, method
"""

VARIABLES = """
    with counted as (
        select name, count(*) as records,
               case when value is null then 'null' when value = '' then '""'
                    when length(value) > 20 then substr(value, 1, 19) || '…'
                    else value end || ' (' || count(*) || ')' as cell,
               row_number() over (partition by name order by count(*) desc, value) as place
        from chest_vars group by name, value
    )
    select name, sum(records), count(*),
           max(case place when 1 then cell end)
               || coalesce(', ' || max(case place when 2 then cell end), '')
               || coalesce(', ' || max(case place when 3 then cell end), '')
    from counted group by name order by sum(records) desc, name
"""

Row = Sequence[object]


def count_recorded(database: Path) -> int:
    ((count,),) = ask(database, "select count(*) from chest_records where kind = 'request'")
    assert isinstance(count, int)
    return count


def show(database: Path) -> None:
    """Print the routes and the variables."""
    print_table("route method requests 4xx 5xx p50_ms p95_ms", ask(database, ROUTES))
    click.echo()
    print_table("variable records values most_frequent", ask(database, VARIABLES))


def ask(database: Path, sql: str) -> list[Row]:
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def print_table(titles: str, rows: Sequence[Row]) -> None:
    """Print columns as wide as their content; no line is wider than the terminal."""
    columns = [write_column(*column) for column in zip(titles.split(), *rows, strict=True)]
    terminal = shutil.get_terminal_size().columns
    for number, cells in enumerate(zip(*columns, strict=True)):
        line = "  ".join(cells).rstrip()[:terminal]
        click.secho(line, bold=number == 0 or None)


def write_column(title: str, *values: object) -> list[str]:
    """Pad a column; numbers are aligned to the right."""
    cells = [title.replace("_", " "), *map(write_cell, values)]
    width = max(map(len, cells))
    if all(isinstance(value, int | float) for value in values):
        return [cell.rjust(width) for cell in cells]
    return [cell.ljust(width) for cell in cells]


def write_cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) else str(value)
