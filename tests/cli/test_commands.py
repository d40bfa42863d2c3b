"""``flask chest``: what each command prints, and what it says when there is nothing to print."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click import unstyle
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import FlaskGroup

from flask_chest import Chest, FlaskChest
from flask_chest.cli import chest as chest_group
from flask_chest.cli.tail import tail_line
from tests import ROOT

from ..query.records import many
from .shop import deliver, make_shop, run


def cells(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


def test_the_group_is_found_by_flask(tmp_path: Path) -> None:
    """``flask chest`` is there wherever Flask-Chest is installed."""
    app = make_shop(tmp_path)
    result = CliRunner().invoke(FlaskGroup(create_app=lambda: app), ["chest", "--help"])
    assert result.exit_code == 0
    for command in ("rules", "explain", "status", "tail"):
        assert re.search(rf"^  {command} +\S", result.output, re.MULTILINE)


def test_the_list_of_commands_is_whole(tmp_path: Path) -> None:
    """In a terminal of 80 columns no command's line is cut short."""
    app = make_shop(tmp_path)
    result = app.test_cli_runner().invoke(chest_group, ["--help"], terminal_width=80)
    assert result.exit_code == 0
    assert "..." not in result.output.partition("Commands:")[2]


def test_rules(tmp_path: Path) -> None:
    """One line for each route and method: what it tracks, where, how often, and by which rule."""
    app = make_shop(
        tmp_path,
        CHEST_CHESTS=["memory://", {"url": "memory://", "name": "second"}],
        CHEST_TRACKED_VARS=["user_id"],
        CHEST_RULES=[
            {"rule": "/orders/*", "methods": ["POST"], "track": ["order_id"], "sample": 0.5},
            {"endpoint": "fails", "record": False},
            {"rule": "/gone", "track": []},
            {"blueprint": "shop", "track": None, "chests": ["second"]},
        ],
    )
    lines = [cells(line) for line in run(app, "rules").stdout.splitlines()]
    assert lines[0] == ["method", "route", "tracks", "chests", "sample", "by"]
    rows = {(line[0], line[1]): line[2:] for line in lines[2:]}
    both = "memory, second"
    assert rows["GET", "/"] == ["user_id", both, "1.0", "(app)"]
    assert rows["GET", "/orders/<int:order_id>"] == ["user_id", both, "1.0", "(app)"]
    post = rows["POST", "/orders/<int:order_id>"]
    assert post == ["user_id, order_id", both, "0.5", "CHEST_RULES[0]"]
    assert rows["GET", "/fails"] == ["(not recorded)", both, "1.0", "CHEST_RULES[1]"]
    assert rows["GET", "/gone"] == ["(request only)", both, "1.0", "CHEST_RULES[2]"]
    assert rows["GET", "/shop/"] == ["all of g, user_id", "second", "1.0", "CHEST_RULES[3]"]
    assert len(rows) == len(lines) - 2, "no line stands twice"


def test_rules_that_match_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rules that select no route are listed apart, once, and the command ends well."""
    app = make_shop(
        tmp_path, CHEST_CHESTS=["memory://"], CHEST_RULES=[{"rule": "/ap", "track": []}]
    )
    result = run(app, "rules")
    assert result.exit_code == 0
    assert result.stderr == "CHEST_RULES[0] matches no route of the app: rule '/ap'\n"
    assert not caplog.records


def explained(result: Result) -> dict[str, str]:
    assert result.exit_code == 0
    pairs = (cells(line) for line in result.stdout.splitlines())
    return {pair[0]: pair[1] for pair in pairs}


def test_explain(tmp_path: Path) -> None:
    """What one request would record, by the route that it would reach."""
    rules = [{"rule": "/orders/*", "methods": ["POST"], "track": ["order_id"], "sample": 0.5}]
    app = make_shop(
        tmp_path, CHEST_CHESTS=["memory://"], CHEST_TRACKED_VARS=["user_id"], CHEST_RULES=rules
    )
    assert explained(run(app, "explain", "post", "/orders/7?page=2")) == {
        "route": "/orders/<int:order_id>",
        "endpoint": "order",
        "blueprint": "-",
        "recorded": "yes",
        "tracks": "user_id, order_id",
        "chests": "memory",
        "sample": "0.5",
        "by": "CHEST_RULES[0]",
    }
    assert explained(run(app, "explain", "GET", "/shop/"))["blueprint"] == "shop"


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/nowhere", "none: no route of the app matches"),
        ("DELETE", "/", "none: no route of the app matches"),
        (
            "GET",
            "/folder",
            "none: no route of the app matches, but the app redirects to http://localhost/folder/",
        ),
        (
            "GET",
            "/folder//",
            "none: no route of the app matches, but the app redirects to http://localhost/folder/",
        ),
        ("HEAD", "/", "/"),
    ],
)
def test_explain_where_no_route_matches(tmp_path: Path, method: str, path: str, route: str) -> None:
    """404, 405 and redirects are told as what they are; such requests are recorded too."""
    app = make_shop(tmp_path, CHEST_CHESTS=["memory://"])
    found = explained(run(app, "explain", method, path))
    assert found["route"] == route
    assert found["recorded"] == "yes"


def test_explain_knows_hosts(tmp_path: Path) -> None:
    """Where hosts have routes of their own, a whole URL says which is meant."""
    app = Flask(__name__, instance_path=str(tmp_path), host_matching=True, static_host="static")
    app.config["CHEST_CHESTS"] = ["memory://"]
    FlaskChest(app)
    app.add_url_rule("/", "api", lambda: "ok", host="api.test")
    app.add_url_rule("/", "www", lambda: "ok", host="www.test")
    assert explained(run(app, "explain", "GET", "http://api.test/"))["endpoint"] == "api"
    assert explained(run(app, "explain", "GET", "http://www.test/"))["endpoint"] == "www"


class Unreachable(Chest):
    """A backend that is down."""

    scheme = "down"

    def write(self, records: Any) -> None:
        raise ConnectionError("no route to host")

    def check(self) -> None:
        raise ConnectionError("no route to host")


def status(app: Flask) -> tuple[dict[str, list[str]], str]:
    result = run(app, "status")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert cells(lines[0]) == [
        *("chest", "health", "captured", "delivered", "pending", "rejected", "lost")
    ]
    return {cells(line)[0]: cells(line)[1:] for line in lines[2 : lines.index("")]}, lines[-1]


def test_status(tmp_path: Path) -> None:
    """Each chest with its address, whether it answers, and the ledger of all processes."""
    app = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///chest.db", Unreachable()])
    rows, last = status(app)
    assert rows["sqlite"] == ["ok", "0", "0", "0", "0", "0"]
    assert rows["down"] == ["unreachable", "0", "0", "0", "0", "0"]
    lines = run(app, "status").stdout.splitlines()
    assert f"sqlite: {tmp_path / 'chest.db'}" in lines
    assert lines[lines.index("down: down") + 1] == "  unreachable: no route to host"
    assert lines[-2] == f"journal: {tmp_path / 'chest-journal'}"
    assert last == "delivered by: each process of the app, from its first record on"
    _, last = status(make_shop(tmp_path, CHEST_EXPORTER="agent"))
    assert last == "delivered by: flask chest agent (CHEST_EXPORTER)"
    for _ in range(3):
        app.test_client().get("/")
    assert not app.extensions["chest"].flush(60)
    app.extensions["chest"].close()
    again = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///chest.db"])
    rows, _ = status(again)
    assert rows["sqlite"][1:] == ["3", "3", "0", "0", "0"]
    assert rows["down"] == ["not in CHEST_CHESTS", "3", "0", "3", "0", "0"]


@pytest.mark.parametrize("buffer", ["memory", "none"])
def test_status_without_a_journal(tmp_path: Path, buffer: str) -> None:
    """Where nothing is on disk, the command says that it cannot know of other processes."""
    _, last = status(make_shop(tmp_path, CHEST_CHESTS=["memory://"], CHEST_BUFFER=buffer))
    assert "the records of this command only" in last


def test_tail(tmp_path: Path) -> None:
    """The latest records, oldest first, one line each, whatever their variables hold."""
    app = make_shop(tmp_path)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = app.test_client()
    for path in ("/", "/orders/7", "/fails", "/gone", "/nowhere"):
        client.get(path)
    deliver(app)
    told = run(app, "tail", "--no-follow").stdout.splitlines()
    lines = [line[line.index(":") - 2 :] for line in told]  # without a date: it may be midnight
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


def test_tail_tells_other_days() -> None:
    """A time without a date is one of today."""
    [record] = many(1)
    today = record.time.date()
    line = unstyle(tail_line(record, today))
    assert line.startswith("11:59:59 200 POST    /orders/")
    assert unstyle(tail_line(record, today + timedelta(days=1))) == f"2026-11-20 {line}"


def test_tail_obeys_no_record() -> None:
    """Whatever an imported record holds, the terminal shows it and obeys nothing."""
    [record] = many(1)
    evil = "\x1b[2J"
    record = replace(record, method=evil, route=evil, error=evil, vars={evil: evil})
    line = tail_line(record, record.time.date())
    assert evil not in line
    assert line.count("\N{REPLACEMENT CHARACTER}[2J") == 5


def test_tail_before_anything_was_recorded(tmp_path: Path) -> None:
    """Without a database there is nothing to show, and looking makes none."""
    result = run(make_shop(tmp_path / "instance"), "tail", "--no-follow")
    assert (result.exit_code, result.output) == (0, "")
    assert not (tmp_path / "instance").exists()


def test_tail_needs_a_chest_that_can_be_read(tmp_path: Path) -> None:
    """A chest that only takes cannot be shown, which is told with the names of those there are."""
    result = run(make_shop(tmp_path, CHEST_CHESTS=["memory://"]), "tail", "--no-follow")
    assert result.exit_code == 1
    assert "SQL chests, MongoDB and ClickHouse can (chests: memory)" in result.output


@pytest.mark.parametrize("command", [["rules"], ["explain", "GET", "/"], ["status"], ["tail"]])
def test_an_app_without_flask_chest(command: list[str]) -> None:
    """Every command says what is missing."""
    result = run(Flask("bare"), *command)
    assert result.exit_code == 1
    assert result.output == "Error: the app 'bare' has no FlaskChest: call FlaskChest(app)\n"


@pytest.mark.parametrize("command", [["rules"], ["explain", "GET", "/"], ["status"], ["tail"]])
def test_recording_is_off(tmp_path: Path, command: list[str]) -> None:
    """Every command says that it is off, and by which setting."""
    result = run(make_shop(tmp_path, CHEST_ENABLED=False), *command)
    assert result.exit_code == 1
    assert result.output == "Error: recording is off: CHEST_ENABLED is False\n"


class Terminal:
    """A command that runs in a terminal of its own.

    :param command: what runs.
    :param folder: where it runs.
    """

    def __init__(self, command: list[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.text = ""

    def read_until(self, done: Callable[[str], bool]) -> str:
        """Read what it prints until that is enough."""
        while not done(self.text):
            ready, _, _ = select.select([self._ours], [], [], 120)
            assert ready, self.text
            chunk = os.read(self._ours, 65536)
            assert chunk, self.text
            self.text += chunk.decode()
        return self.text

    def read_all(self) -> str:
        """Read what it prints until it ends."""
        with suppress(OSError):  # what Linux says when nobody has the terminal open any more
            self.read_until(lambda _: False)
        return self.text

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(60)
        with suppress(OSError):
            os.close(self._ours)


SHOP = """
from pathlib import Path
from flask import Flask
from flask_chest import FlaskChest
app = Flask(__name__, instance_path=str(Path(__file__).parent))
FlaskChest(app)
"""


def ask(app: Flask, *numbers: int) -> None:
    """Make requests, and have them delivered."""
    for number in numbers:
        app.test_client().get(f"/orders/{number}")
    assert app.extensions["chest"].flush(60)


@pytest.mark.parametrize("command", ["stats", "export"])
def test_in_a_terminal(tmp_path: Path, command: str) -> None:
    """Of 80 columns, the table needs no more; and no bar goes between records that are shown."""
    (tmp_path / "shop.py").write_text(SHOP)
    app = make_shop(tmp_path)
    ask(app, 1, 2, 3)
    app.extensions["chest"].close()
    line = [sys.executable, "-m", "flask", "--app", "shop", "chest", command]
    terminal = Terminal(line, tmp_path)
    try:
        text = terminal.read_all()
    finally:
        terminal.close()
    if command == "export":
        assert [json.loads(line)["vars"]["order_id"] for line in text.splitlines()] == [1, 2, 3]
        return
    assert "mean ms" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "trend" not in text
    assert "trend" in run(app, "stats").stdout, "where it is no terminal"


@pytest.mark.server  # a whole process
def test_tail_follows(tmp_path: Path) -> None:
    """In a terminal the latest records are shown, then new ones as they come in, each once.

    One whose request began earlier, and that comes in after others, is not passed over.
    """
    (tmp_path / "shop.py").write_text(SHOP)
    app = make_shop(tmp_path)
    ask(app, *range(20))
    database = sqlite3.connect(tmp_path / "chest.db")
    late = "select * from chest_records order by id limit 1 offset 10"
    [row] = database.execute(late).fetchall()
    database.execute("delete from chest_records where json_extract(vars, '$.order_id') = 10")
    database.commit()
    command = [sys.executable, "-m", "flask", "--app", "shop", "chest", "tail", "-n", "3"]
    terminal = Terminal(command, tmp_path)
    try:
        terminal.read_until(lambda text: "order_id=19" in text)
        ask(app, 20, 21, 22)
        terminal.read_until(lambda text: "order_id=22" in text)
        # Among the last seconds' it must be, however long it took until here.
        latest = "select id from chest_records where json_extract(vars, '$.order_id') = 20"
        [(after,)] = database.execute(latest).fetchall()
        row = (f"{int(after, 16) - 1:032x}", *row[1:])
        database.execute(f"insert into chest_records values ({','.join('?' * len(row))})", row)
        database.commit()
        terminal.read_until(lambda text: "order_id=10" in text)
        ask(app, 23)
        text = terminal.read_until(lambda text: "order_id=23" in text)
    finally:
        terminal.close()
        database.close()
        app.extensions["chest"].close()
    assert re.findall(r"order_id=(\d+)", text) == ["17", "18", "19", "20", "21", "22", "10", "23"]
    assert "\x1b[32m" in text, "in colour"
    assert "Traceback" not in text
