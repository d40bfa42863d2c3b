"""The shop's report, made with plain SQL."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from examples.shop import report

SCHEMA = """
    create table chest_records (id, kind, method, route, status, duration_ms);
    create table chest_vars (record_id, name, value);
"""


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "chest.db"
    rows: list[tuple[object, ...]]
    rows = [(n, "request", "GET", "/products/<sku>", 200, float(n)) for n in range(1, 101)]
    rows += [(101, "request", "GET", None, 404, 1.0), (102, "request", "POST", "/pay", 500, 2.5)]
    rows += [(103, "command", None, None, None, 9.0)]
    variables: list[tuple[object, ...]]
    variables = [(n, "sku", f"C{n % 4}") for n in range(1, 91)] + [(102, "coupon", None)]
    variables += [(1, "q", ""), (2, "note", "a chest of oak, and then some")]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SCHEMA)
        connection.executemany("insert into chest_records values (?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("insert into chest_vars values (?, ?, ?)", variables)
    return path


def test_percentiles(database: Path) -> None:
    """Percentiles use the nearest rank, so each is a measured duration."""
    routes = report.ask(database, report.ROUTES)
    assert routes[0] == ("/products/<sku>", "GET", 100, 0, 0, 50.0, 95.0)


def test_requests_without_a_route_are_counted_and_commands_are_not(database: Path) -> None:
    """Requests without a route share a row; commands are not counted."""
    routes = report.ask(database, report.ROUTES)
    assert ("(no route)", "GET", 1, 1, 0, 1.0, 1.0) in routes
    assert ("/pay", "POST", 1, 0, 1, 2.5, 2.5) in routes
    assert report.count_recorded(database) == 102


def test_most_frequent_values(database: Path) -> None:
    """Values have counts; long values are cut; null differs from the empty string."""
    assert report.ask(database, report.VARIABLES) == [
        ("sku", 90, 4, "C1 (23), C2 (23), C0 (22)"),
        ("coupon", 1, 1, "null (1)"),
        ("note", 1, 1, "a chest of oak, and… (1)"),
        ("q", 1, 1, '"" (1)'),
    ]


def test_columns_line_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers are right-aligned, text is left-aligned; no line ends with spaces."""
    report.print_table("route p50_ms", [("/", 12.0), ("/products", 3.14)])
    assert capsys.readouterr().out == "route      p50 ms\n/            12.0\n/products     3.1\n"


def test_an_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A table without rows shows its header."""
    report.print_table("route requests", [])
    assert capsys.readouterr().out == "route  requests\n"
