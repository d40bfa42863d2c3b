"""A page covers the range in its URL, no more and no less, like ``flask chest stats``."""

from __future__ import annotations

import html
import json
import re
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_chest import Record
from flask_chest.app.state import get_state
from flask_chest.cli import chest as commands
from flask_chest.operations.background_retention import Maintenance

from .shop import make_dashboard_app, open_client


def full_second() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def app_with(folder: Path, records: list[Record]) -> Flask:
    app = make_dashboard_app(folder, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    chest.write(records)
    return app


def record(number: int, time: datetime, **values: Any) -> Record:
    given = {"route": "/", "duration_ms": 5.0, **values}
    return Record(id=f"{number:032x}", time=time, **given)


def tile(client: FlaskClient, query: str, label: str = "Records") -> str:
    text = client.get(f"/chest/?{query}").text
    [found] = re.findall(rf"<dt>{label}</dt><dd>([^<]*)</dd>", text)
    return str(found)


def stats(app: Flask, *arguments: str) -> Any:
    result = app.test_cli_runner().invoke(commands, ["stats", "--json", *arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def counted(answer: Any) -> float:
    return float(sum(each["count"] for each in [*answer["groups"], answer["others"]]))


@pytest.mark.parametrize("has_rollups", [False, True])
@pytest.mark.parametrize(("since", "days"), [("1 day", 1), ("30 days", 30), ("1 year", 365)])
def test_a_page_begins_where_its_url_says(
    tmp_path: Path, since: str, days: int, has_rollups: bool
) -> None:
    """Records shortly before the range are on no page; an interval of the charts is cut."""
    begin = full_second() - timedelta(days=days)
    inside = [record(n, begin + timedelta(minutes=5, seconds=n)) for n in range(6)]
    before = [record(10 + n, begin - timedelta(seconds=1 + 3 * n)) for n in range(3)]
    app = app_with(tmp_path, [*inside, *before])
    if has_rollups:
        Maintenance(get_state(app).chests, None).run(threading.Event())
    client = open_client(app)
    query = f"since={since.replace(' ', '+')}"
    assert tile(client, query) == "6"
    assert counted(stats(app, "--since", since)) == 6
    compared = client.get(f"/chest/compare?{query}&field=route&a=/&b=/x").text
    assert '<td class="n">6</td>' in compared
    assert '<td class="n">9</td>' not in compared


def test_cut_intervals_link_to_their_own_records(tmp_path: Path) -> None:
    """The first and the last interval of a chart link to the range of the page, not beyond it."""
    begin, end = full_second() - timedelta(hours=5, minutes=7), full_second() - timedelta(minutes=3)
    times = [begin - timedelta(seconds=1), begin, end - timedelta(seconds=1), end]
    client = open_client(app_with(tmp_path, [record(n, time) for n, time in enumerate(times)]))
    given = f"since={begin:%Y-%m-%dT%H:%M:%SZ}&until={end:%Y-%m-%dT%H:%M:%SZ}"
    text = client.get(f"/chest/?{given}").text
    links = {
        html.unescape(link) for link in re.findall(r'href="([^"]*/requests\?since[^"]*)"', text)
    }
    links = {link for link in links if "T" in link.partition("since=")[2] and given not in link}
    shown = [re.findall(r"/chest/requests/([0-9a-f]{32})", client.get(link).text) for link in links]
    assert sorted(each for found in shown for each in found) == [f"{n:032x}" for n in (1, 2)]
    [payload, *_] = [json.loads(found) for found in re.findall(r"data-chart='([^']*)'", text)]
    assert (payload["since"], payload["until"]) == (begin.timestamp(), end.timestamp())
    assert payload["x"][0] <= payload["since"] < payload["x"][0] + payload["step"]
    assert payload["x"][0] % payload["step"] == 0, "intervals start at full minutes"


def test_many_routes(tmp_path: Path) -> None:
    """With 1,500 routes, totals, charts and others contain the records of each of them."""
    time = full_second() - timedelta(minutes=5)
    app = app_with(tmp_path, [record(n, time, route=f"/{n}") for n in range(1500)])
    client = open_client(app)
    assert tile(client, "since=1+hour") == "1,500"
    text = client.get("/chest/?since=1+hour").text
    [others] = re.findall(r'\(others\)</th>\s*<td class="n">([^<]*)<', text)
    assert others == "1,450"
    [payload, *_] = [json.loads(found) for found in re.findall(r"data-chart='([^']*)'", text)]
    rates = {line["label"]: line["values"] for line in payload["lines"]}["records"]
    assert sum(rates) * payload["step"] == pytest.approx(1500)
    answer = stats(app, "--since", "1 hour")
    assert counted(answer) == 1500
    assert sum(map(sum, (each["trend"] for each in answer["groups"]))) == 20


def test_comparing_many_routes(tmp_path: Path) -> None:
    """A route that is frequent on one side has its numbers on the other side, too."""
    time = full_second() - timedelta(minutes=5)
    routes = [*range(1500), 999, 999]  # as text, /999 is the last of the rare routes
    one = [record(n, time, route=f"/{n}", tags={"version": "1"}) for n in range(1500)]
    two = [
        record(2000 + n, time, route=f"/{route}", tags={"version": "2"})
        for n, route in enumerate(routes)
    ]
    client = open_client(app_with(tmp_path, [*one, *two]))
    text = client.get("/chest/compare?since=1+hour&a=1&b=2").text
    [row] = re.findall(r"/999</bdi></a></th>(.*?)</tr>", text, re.DOTALL)
    before, _, _, after, *_ = re.findall(r'<td class="n">([^<]*)</td>', row)
    assert (before, after) == ("1", "3")


def test_records_that_are_no_requests(tmp_path: Path) -> None:
    """The tile that counts commands and jobs, too, is not called requests."""
    kinds = ("request", "command", "job")
    time = full_second() - timedelta(minutes=5)
    app = app_with(tmp_path, [record(n, time, kind=kind) for n, kind in enumerate(kinds)])
    client = open_client(app)
    assert tile(client, "since=1+hour", "Records") == "3"
    assert "<dt>Requests</dt>" not in client.get("/chest/?since=1+hour").text
    assert tile(client, "since=1+hour&where=kind%3Drequest") == "1"


def test_the_last_half_millisecond_of_a_second(tmp_path: Path) -> None:
    """A record is charted in the second of its time; SQLite rounded it into the next one."""
    second = full_second() - timedelta(seconds=30)
    times = [second + timedelta(microseconds=each) for each in (0, 999_499, 999_500, 999_999)]
    client = open_client(app_with(tmp_path, [record(n, time) for n, time in enumerate(times)]))
    text = client.get("/chest/?since=1+minute").text
    [payload, *_] = [json.loads(found) for found in re.findall(r"data-chart='([^']*)'", text)]
    assert payload["step"] == 1
    rates = {line["label"]: line["values"] for line in payload["lines"]}["records"]
    assert rates[payload["x"].index(second.timestamp())] == 4


def test_one_request_far_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The requests page finds a request id by the index, however many records are newer."""
    module = "flask_chest.chests.sql.table_reader.TableReader.scan_start"
    monkeypatch.setattr(module, lambda *_: full_second() - timedelta(minutes=1))
    found = record(1, full_second() - timedelta(hours=2), request_id="wanted")
    client = open_client(app_with(tmp_path, [found]))
    text = client.get("/chest/requests?since=1+day&where=request_id%3Dwanted").text
    assert found.id in text
