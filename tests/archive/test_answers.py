"""Pages and commands answer from the archive, also when the rows are deleted."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

pytest.importorskip("duckdb")

from flask_chest import Record
from flask_chest.app.state import get_state
from flask_chest.cli import chest as commands

from ..dashboard.shop import make_dashboard_app, open_client

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAYS = timedelta(days=3)

pytestmark = pytest.mark.server


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """An app with 300 records of three days ago, and 50 of this minute."""
    app = make_dashboard_app(
        tmp_path, CHEST_EXPORTER="agent", CHEST_ARCHIVE=str(tmp_path / "archive")
    )
    [chest] = get_state(app).chests
    chest.write([*map(make_record, range(350))])
    return app


def make_record(number: int) -> Record:
    time = NOW - timedelta(seconds=number) - (DAYS if number < 300 else timedelta(0))
    return Record(
        id=f"{int(time.timestamp() * 1000):012x}7{number:019x}",
        time=time,
        request_id=f"request-{number}",
        route=f"/{number % 3}",
        status=500 if number % 10 == 0 else 200,
        duration_ms=float(number),
        vars={"user_id": number % 7, "total": number / 4},
    )


def run(app: Flask, *arguments: str) -> str:
    result = app.test_cli_runner().invoke(commands, [*arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def answers(app: Flask) -> list[Any]:
    """What commands say, and what pages show."""
    begin, end = (f"{each:%Y-%m-%dT%H:%M:%SZ}" for each in (NOW - 2 * DAYS, NOW))
    week = ("--since", begin, "--until", end)
    client = open_client(app)
    pages = [
        client.get(f"/chest/{path}since={begin}&until={end}").text
        for path in (
            "?",
            "variable?name=user_id&",
            "variable?name=total&",
            "compare?field=user_id&a=1&b=2&",
            "requests?where=total%3E70&",
            "requests?where=request_id%3Drequest-7&",
        )
    ]
    shown = [re.sub(r'value="[\w-]{43}"', "", page) for page in pages]
    stats = [
        json.loads(run(app, "stats", "--json", "--by", by, "--of", of, *week))["groups"]
        for by, of in (("route", "duration_ms"), ("user_id", "total"), ("status", "total"))
    ]
    lists = [
        run(app, "export", "--where", "user_id=3"),
        run(app, "show", "--json", "request-7"),
        run(app, "tail", "--no-follow", "--json", "--lines", "400"),
    ]
    return [*shown, *stats, *lists]


def test_answers_do_not_depend_on_where_records_are(app: Flask) -> None:
    """Before the archive, with it, and when only it has the records of closed hours."""
    before = answers(app)
    run(app, "archive")
    get_state(app).close()
    with_archive = answers(app)
    run(app, "prune", "--older-than", "1 day", "--yes")
    [chest] = get_state(app).chests
    reader = chest.reader()
    assert reader is not None
    assert len(reader.latest(400)) == 50, "the rows of three days ago are gone"
    reader.close()
    assert len(before) == 12
    for number, (one, other, last) in enumerate(
        zip(before, with_archive, answers(app), strict=True)
    ):
        assert one == other, number
        assert one == last, number
