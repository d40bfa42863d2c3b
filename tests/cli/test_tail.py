"""``flask chest tail``."""

from __future__ import annotations

import re
import sqlite3
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click import unstyle
from flask import Flask

from flask_chest.cli.tail import tail_line

from ..query.records import sample_records
from .shop import deliver, lines_of, make_shop, run
from .terminal import APP, Terminal, visit


def test_tail(tmp_path: Path) -> None:
    """Shows the latest records, oldest first, one line each, with safe text."""
    app = make_shop(tmp_path)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = app.test_client()
    for path in ("/", "/orders/7", "/fails", "/gone", "/nowhere"):
        client.get(path)
    deliver(app)
    output = run(app, "tail", "--no-follow").stdout.splitlines()
    lines = [line[line.index(":") - 2 :] for line in output]  # without the date
    assert [line[9:12] for line in lines] == ["200", "200", "500", "410", "404"]
    assert re.match(r"\d\d:\d\d:\d\d 200 GET     / +\d+\.\d ms user_id=42$", lines[0])
    assert "order_id=7 note=two\N{REPLACEMENT CHARACTER}lines" in lines[1]
    assert lines[1].endswith("…")
    assert lines[2].endswith("LookupError")
    assert "GET     (no route)" in lines[4]
    assert "\x1b" not in "".join(lines)
    assert len(run(app, "tail", "-n", "2", "--no-follow").stdout.splitlines()) == 2
    assert run(app, "tail", "-n", "0", "--no-follow").stdout == ""
    refused = run(app, "tail", "-n", "-1", "--no-follow")
    assert (refused.exit_code, "-1 is not in the range" in refused.output) == (2, True)


def test_tail_filters(shop: Flask) -> None:
    """--where selects records."""
    found = lines_of(run(shop, "tail", "--no-follow", "--where", "user_id=3", "-n", "4", "--json"))
    assert [each["vars"]["user_id"] for each in found] == [3] * 4
    assert [each["id"] for each in found] == sorted(each["id"] for each in found)


def test_tail_finds_one_request_far_back(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request id is found by the index, however many records are newer."""
    monkeypatch.setattr(sys.modules["flask_chest.cli.tail"], "_SEARCHED_RECORDS", 100)
    result = run(shop, "tail", "--no-follow", "--where", "request_id=request-599", "--json")
    assert [each["request_id"] for each in lines_of(result)] == ["request-599"]
    assert result.stderr == ""


def test_tail_says_where_it_searched(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the search ends before it has found all lines, the command says so."""
    monkeypatch.setattr(sys.modules["flask_chest.cli.tail"], "_SEARCHED_RECORDS", 100)
    result = run(shop, "tail", "--no-follow", "--where", "unique=value 599", "--json")
    assert result.stdout == ""
    assert re.match(r"searched since 2026-11-20 \d\d:\d\d:\d\d only; .*export", result.stderr)
    result = run(shop, "tail", "--no-follow", "--where", "user_id=3", "-n", "2")
    assert result.stderr == ""


def test_tail_shows_dates() -> None:
    """Only records of other days have a date."""
    [record] = sample_records(1)
    today = record.time.date()
    line = unstyle(tail_line(record, today))
    assert line.startswith("11:59:59 200 POST    /orders/")
    assert unstyle(tail_line(record, today + timedelta(days=1))) == f"2026-11-20 {line}"


def test_tail_escapes_control_characters() -> None:
    """Escape sequences in an imported record do not reach the terminal."""
    [record] = sample_records(1)
    evil = "\x1b[2J"
    record = replace(record, method=evil, route=evil, error=evil, vars={evil: evil})
    line = tail_line(record, record.time.date())
    assert evil not in line
    assert line.count("\N{REPLACEMENT CHARACTER}[2J") == 5


def test_tail_before_anything_was_recorded(tmp_path: Path) -> None:
    """Without a database, the command prints nothing and does not create one."""
    result = run(make_shop(tmp_path / "instance"), "tail", "--no-follow")
    assert (result.exit_code, result.output) == (0, "")
    assert not (tmp_path / "instance").exists()


def test_tail_needs_a_chest_that_can_be_read(tmp_path: Path) -> None:
    """If no store can be read, the error lists the chests."""
    result = run(make_shop(tmp_path, CHEST_CHESTS=["memory://"]), "tail", "--no-follow")
    assert result.exit_code == 1
    assert "SQL chests, MongoDB and ClickHouse can (chests: memory)" in result.output


@pytest.mark.server  # a whole process
def test_tail_follows(tmp_path: Path) -> None:
    """Shows the latest records, then each new record once.

    A record that arrives late, after records of later requests, is shown, too.
    """
    (tmp_path / "shop.py").write_text(APP)
    app = make_shop(tmp_path)
    visit(app, *range(20))
    database = sqlite3.connect(tmp_path / "chest.db")
    late = "select * from chest_records order by id limit 1 offset 10"
    [row] = database.execute(late).fetchall()
    database.execute("delete from chest_records where json_extract(vars, '$.order_id') = 10")
    database.commit()
    command = [sys.executable, "-m", "flask", "--app", "shop", "chest", "tail", "-n", "3"]
    terminal = Terminal(command, tmp_path)
    try:
        terminal.read_until(lambda text: "order_id=19" in text)
        visit(app, 20, 21, 22)
        terminal.read_until(lambda text: "order_id=22" in text)
        # The late record needs a recent id: tail watches the ids of the last seconds only.
        latest = "select id from chest_records where json_extract(vars, '$.order_id') = 20"
        [(after,)] = database.execute(latest).fetchall()
        row = (f"{int(after, 16) - 1:032x}", *row[1:])
        database.execute(f"insert into chest_records values ({','.join('?' * len(row))})", row)
        database.commit()
        terminal.read_until(lambda text: "order_id=10" in text)
        visit(app, 23)
        text = terminal.read_until(lambda text: "order_id=23" in text)
    finally:
        terminal.close()
        database.close()
        app.extensions["chest"].close()
    assert re.findall(r"order_id=(\d+)", text) == ["17", "18", "19", "20", "21", "22", "10", "23"]
    assert "\x1b[32m" in text, "in colour"
    assert "Traceback" not in text
