"""What the pages show, and what they make of nonsense."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_chest import Chest, Record
from flask_chest.app.state import get_state
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.dashboard import health
from flask_chest.testing import capture_records
from tests.waiting import wait_until

from .shop import EVIL, fill, make_dashboard_app
from .test_access import log_in

PAGES = (
    "/",
    "/?since=7+days",
    "/?since=1+year",
    "/variable",
    "/variable?name=total",
    "/variable?name=tenant",
    "/variable?name=word",
    "/variable?name=user_id&as=words",
    "/variable?name=route",
    "/variable?name=nowhere",
    "/compare",
    "/compare?a=1.4.1&b=1.4.2",
    "/compare?a_since=1+day&a_until=12+hours&since=12+hours",
    "/requests",
    "/requests?where=status%3E%3D500",
    "/requests/req-7",
    "/health",
)

# Nobody listens there.
DOWN = {"url": "http://127.0.0.1:1/hook", "name": "left"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A shop with a day of traffic, which pages only read."""
    # Paths that no route matches are the app's own: not to be delivered while others count.
    app = make_dashboard_app(tmp_path_factory.mktemp("shop"), CHEST_EXPORTER="agent")
    fill(app)
    return app


@pytest.fixture(scope="module")
def two_stores(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A shop whose records are all in its second store; pages only read it."""
    stores = ["sqlite:///one.db", {"url": "sqlite:///two.db", "name": "two"}]
    folder = tmp_path_factory.mktemp("two")
    app = make_dashboard_app(folder, CHEST_CHESTS=stores, CHEST_EXPORTER="agent")
    get_state(app).chests.reverse()
    fill(app, 200)
    get_state(app).chests.reverse()
    return app


def open_client(app: Flask) -> FlaskClient:
    client = app.test_client()
    log_in(client)
    return client


class Structure(HTMLParser):
    """What a screen reader and a strict policy need to know of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.tables = self.headed = 0
        self._labels = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if "style" in given or any(name.startswith("on") for name in given):
            self.faults.append(f"inline: {tag} {attributes}")
        if tag == "style" or (tag == "script" and "src" not in given):
            self.faults.append(f"inline: {tag}")
        for name in ("src", "href", "action"):
            if re.match(r"(?i)[a-z]+:|//", given.get(name) or ""):
                self.faults.append(f"elsewhere: {given[name]}")
        if tag == "label":
            self._labels += 1
        if tag == "input" and given.get("type") not in {"hidden"} and not self._labels:
            self.faults.append(f"no label: {attributes}")
        if tag == "a" and not given.get("href"):
            self.faults.append("a link to nowhere")
        if "id" in given:
            self.ids.append(str(given["id"]))
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(tag)
        self.tables += tag == "table"
        self.headed += tag == "th" and "scope" in given

    def handle_endtag(self, tag: str) -> None:
        self._labels -= tag == "label"


@pytest.mark.parametrize("path", PAGES)
def test_pages(shop: Flask, path: str) -> None:
    """Each is there, nothing in it is inline or from elsewhere, and no value becomes markup."""
    answer = open_client(shop).get(f"/chest{path}")
    assert answer.status_code == 200
    assert "<script>document" not in answer.text
    assert "\u202e" not in answer.text
    found = Structure(answer.text)
    assert found.faults == []
    assert len(found.ids) == len(set(found.ids))
    assert found.headings[0] == "h1"
    assert found.headings.count("h1") == 1
    assert bool(found.tables) == bool(found.headed)


@pytest.mark.parametrize("path", PAGES)
def test_pages_of_an_empty_store(tmp_path: Path, path: str) -> None:
    """Before the first record every page is there, and says that there is nothing."""
    app = make_dashboard_app(tmp_path)
    answer = open_client(app).get(f"/chest{path}")
    assert answer.status_code == (404 if "req-7" in path else 200)
    app.extensions["chest"].close()


@pytest.mark.parametrize("path", [*PAGES[:-1]])
def test_pages_of_a_store_that_is_down(tmp_path: Path, path: str) -> None:
    """Each says which store, and what happened."""
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    answer = open_client(make_dashboard_app(tmp_path)).get(f"/chest{path}")
    assert answer.status_code == 503
    assert "chest &#39;sqlite&#39; at" in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/?where=nonsense", "is no filter"),
        ("/?where=status%3Eabc", "expected a number"),
        ("/?since=soon", "is no time"),
        ("/?since=1+hour&until=2+hours", "the range is empty"),
        ("/?since=0001-01-01", None),
        ("/?until=9999-01-01", None),
        ("/?since=0001-01-01&until=9999-12-31T23:59:59", None),
        ("/variable?name=tenant&until=9999-01-01", None),
        ("/compare?a=1.4.1&b=1.4.2&until=9999-01-01", None),
        ("/compare?a_since=9998-01-01&since=5+years", None),
        ("/requests?until=9999-01-01", None),
        ("/?chest=nowhere", "there is no chest"),
        ("/variable?name=vars", "name one of them"),
        ("/variable?name=tenant&as=numbers", "has no numbers"),
        ("/variable?name=" + "x" * 300, "is no name"),
        ("/compare?a=1&b=1", "both sides are the same"),
        ("/compare?field=tags", "name one of them"),
        ("/requests?after=nowhere", None),
        ("/requests?where=" + quote(EVIL), "is no filter"),
        ("/requests?where=" + quote("a=" + EVIL), None),
        ("/requests?where=a%3D%00", "is no filter"),
        ("/?where=route%3D&where=route%3D", None),
    ],
)
def test_nonsense(shop: Flask, path: str, told: str | None) -> None:
    """It is answered with a clear page, never with an error of ours."""
    answer = open_client(shop).get(f"/chest{path}")
    assert answer.status_code == (200 if told is None else 400), answer.text
    assert told is None or told in answer.text.replace("&#39;", "'")
    assert "<script>document" not in answer.text
    assert Structure(answer.text).faults == []


def test_each_page_is_called_by_its_name(shop: Flask) -> None:
    """In its title and in the list of pages; an error is none of them."""
    client = open_client(shop)
    titles = {"": "Overview", "variable": "Variables", "compare": "Compare", "health": "Health"}
    for path, title in titles.items():
        text = client.get(f"/chest/{path}").text
        assert f"<title>{title} " in text
        assert re.findall(r'aria-current="page">(\w+)<', text) == [title]
    missing = client.get("/chest/requests/nowhere").text
    assert "this chest has no record of &#39;nowhere&#39;" in missing
    for text in (missing, client.get("/chest/?since=Tuesday").text):
        assert "Health</a>" in text
        assert 'aria-current="page"' not in text


@pytest.mark.parametrize("identity", ["nowhere", "..", "%00", "a" * 500, quote(EVIL)])
def test_requests_that_are_not_there(tmp_path: Path, identity: str) -> None:
    """They are not found, whatever they are called."""
    app = make_dashboard_app(tmp_path)  # some lead past the dashboard, and are recorded
    answer = open_client(app).get(f"/chest/requests/{identity}")
    assert answer.status_code == 404
    assert "<script>document" not in answer.text
    assert Structure(answer.text).faults == []
    app.extensions["chest"].close()


def test_a_clock_that_jumped(tmp_path: Path) -> None:
    """Records of long ago and of times to come are shown where they are asked for."""
    app = make_dashboard_app(tmp_path)
    [chest] = get_state(app).chests
    records = fill(app, 50)
    for number, year in enumerate((1970, 2100, 9999)):
        time = datetime(year, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
        identity = f"{int(time.timestamp() * 1000):012x}8{number:019x}"
        chest.write([replace(records[0], id=identity, request_id=f"odd-{year}", time=time)])
    chest.close()
    client = open_client(app)
    for path in PAGES:
        assert client.get(f"/chest{path}").status_code == 200
    assert "odd-" not in client.get("/chest/variable?name=request_id").text
    ever = "since=1970-01-01&until=9999-12-31T23:59:59.500"
    assert f"/chest/requests/{identity}" in client.get(f"/chest/requests?{ever}").text
    assert ">53<" in client.get(f"/chest/?{ever}").text
    assert "2100-12-31" in client.get("/chest/requests/odd-2100").text


def test_overview(shop: Flask) -> None:
    """Counts and percentiles by route, each with a link to that route alone."""
    client = open_client(shop)
    text = client.get("/chest/").text
    assert "3,000" in text
    assert "where=route%3D%2Fsearch" in text
    narrowed = client.get("/chest/?where=route%3D%2Fsearch").text
    assert "/products/" not in narrowed
    assert 'name="where" value="route=/search"' in narrowed


def test_compare(shop: Flask) -> None:
    """The route that got slower stands first."""
    text = open_client(shop).get("/chest/compare?a=1.4.1&b=1.4.2").text
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", text, re.DOTALL)
    routes = [row for row in rows if "<time" not in row]
    assert "/search" in routes[0]
    assert "bad" in routes[0]


@pytest.mark.parametrize(
    ("name", "shown"), [("rare", "numbers"), ("code", "words"), ("status", "numbers")]
)
def test_numbers_or_words(tmp_path: Path, name: str, shown: str) -> None:
    """A variable is shown as what most of its values are, however few records have it."""
    app = make_dashboard_app(tmp_path)
    [chest] = get_state(app).chests
    for number, record in enumerate(fill(app, 40)):
        code = number if number % 4 == 0 else f"c{number}"
        variables = {"code": code, **({"rare": 7} if number == 0 else {})}
        chest.write([replace(record, id=f"{record.id[:-2]}ff", vars=variables)])
    chest.close()
    text = open_client(app).get(f"/chest/variable?name={name}").text
    assert f"Shown as <strong>{shown}</strong>" in text or f"<strong>{shown}</strong></p>" in text
    app.extensions["chest"].close()


def test_one_request(shop: Flask) -> None:
    """All that is known of it, by any of its ids; what is hidden in a value is shown."""
    client = open_client(shop)
    text = client.get("/chest/requests/req-7").text
    assert "&lt;script&gt;" in text
    assert r"\u202e" in text
    assert "production" in text


def pages_of_requests(app: Flask, query: str) -> Iterator[str]:
    """A page of requests, and those that its links lead on to."""
    client = open_client(app)
    path: str | None = f"/chest/requests?{query}"
    while path:
        text = client.get(path).text
        yield text
        found = re.search(r'<a href="([^"]+)" rel="next"', text)
        path = "/chest/requests" + unescape(found[1]) if found else None


def listed_on(page: str) -> list[str]:
    return re.findall(r"/chest/requests/([0-9a-f]{32})\?", page)


def test_pages_of_requests(shop: Flask) -> None:
    """Older requests follow page by page, each once."""
    pages = pages_of_requests(shop, "where=tenant%3Dacme&where=route%3D%2Fsearch")
    seen = [identity for page in pages for identity in listed_on(page)]
    assert len(seen) == len(set(seen)) > 100


def test_a_rare_filter(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """No page looks through the whole store; a link leads on, until the end of the range."""
    monkeypatch.setattr(SQLReader.scan_start, "__defaults__", (500,))
    pages = list(pages_of_requests(shop, "since=2+days&where=request_id%3Dreq-7"))
    assert 5 < len(pages) < 10
    assert sum(len(listed_on(page)) for page in pages) == 1


def test_records_of_one_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a page ends within a second, the next one has the rest of it."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    second = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=5)
    chest.write(
        [
            Record(id=f"{number:032x}", time=second + timedelta(milliseconds=number), method="GET")
            for number in range(1000)
        ]
    )
    monkeypatch.setattr(SQLReader.scan_start, "__defaults__", (300,))
    pages = pages_of_requests(app, "where=request_id%3D&where=method%3DGET")
    seen = [identity for page in pages for identity in listed_on(page)]
    assert sorted(seen) == [f"{number:032x}" for number in range(1000)]


def test_estimates_that_met_nothing(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """That some records were looked at, and none was such a one, is no word on the others."""
    monkeypatch.setattr(SQLReader, "max_records", 200)
    monkeypatch.setattr(SQLReader, "sample_size", 100)
    client = open_client(shop)
    path = "/chest/?where=tenant%3Dnobody"
    text = client.get(path).text
    assert "No such records in the sample" in text
    assert "No records in this range" not in text
    monkeypatch.undo()
    assert "No records in this range with these filters." in client.get(path).text


def test_a_variable_that_is_always_zero(tmp_path: Path) -> None:
    """Zeros are values; an interval without requests has none."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    chest.write([replace(each, vars={"left": 0}) for each in fill(app, 50)])
    now = datetime.now(timezone.utc)
    chest.write([Record(id="1", time=now - timedelta(seconds=1), vars={"left": 0})])
    text = open_client(app).get("/chest/variable?name=left&since=10+minutes").text
    assert "No data." not in text
    assert len(re.findall(r"<tr><th scope=\"row\"><a", text)) == 2, "one interval of each chart"


@pytest.mark.parametrize(
    ("value", "shown", "is_linked"),
    [("bob", "bob", True), ("bob ", '"bob "', False), ("", '""', False), (" ", '" "', False)],
)
def test_links_lead_to_what_they_say(
    tmp_path: Path, value: str, shown: str, is_linked: bool
) -> None:
    """A value that no filter tells from another one, or from none, is no link to the others."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    time = datetime.now(timezone.utc) - timedelta(minutes=1)
    chest.write([Record(id="1", time=time, vars={"who": value}), Record(id="2", time=time)])
    client = open_client(app)
    text = unescape(client.get("/chest/variable?name=who&as=words").text)
    assert f"<bdi>{shown}</bdi>" in text
    assert ("where=vars.who%3Dbob" in text) == is_linked
    one = unescape(client.get("/chest/requests/1").text)
    assert ("requests with this value" in one) == is_linked


def test_compare_with_the_range_before(tmp_path: Path) -> None:
    """No request is on both sides, and none between them is left out."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    now = datetime.now(timezone.utc)
    chest.write(
        [
            Record(id=f"{minute:032x}", time=now - timedelta(minutes=minute), route="/every/minute")
            for minute in range(1, 1400)
        ]
    )
    text = open_client(app).get("/chest/compare?since=12+hours&a_since=1+day").text
    [row] = re.findall(r"/every/minute</bdi></a></th>(.*?)</tr>", text, re.DOTALL)
    before, _, _, after, *_ = re.findall(r'<td class="n">([^<]*)</td>', row)
    assert int(before) + int(after.replace(",", "")) == 1399


def test_compare_many_routes(tmp_path: Path) -> None:
    """A route that is rare on one side is told with both its figures."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [chest] = get_state(app).chests
    time = datetime.now(timezone.utc) - timedelta(minutes=1)
    records = []
    for number, version in enumerate(("1", "2")):
        for route in range(80):
            count = 1 + (route if version == "1" else 80 - route) % 7
            records += [
                Record(
                    id=f"{number}{route:03}{each:03}",
                    time=time,
                    route=f"/{route}",
                    duration_ms=5.0 + number,
                    tags={"version": version},
                )
                for each in range(count)
            ]
    chest.write(records)
    text = open_client(app).get("/chest/compare?a=1&b=2").text
    assert '<td class="n">\N{EN DASH}</td>' not in text
    assert text.count("+20 %") > 50


def test_redacted_stays_redacted(tmp_path: Path) -> None:
    """What was redacted at capture is not known here either."""
    app = make_dashboard_app(tmp_path, CHEST_BUFFER="none")

    @app.get("/login")
    def login() -> str:
        from flask import g

        g.password = "hunter2"
        return "ok"

    client = open_client(app)
    client.get("/login")
    for path in ("/requests", "/variable?name=password&as=words"):
        text = client.get(f"/chest{path}").text
        assert "[REDACTED]" in text
        assert "hunter2" not in text
    app.extensions["chest"].close()


def test_its_own_requests_are_not_recorded(shop: Flask) -> None:
    """Neither its pages nor its files, unless a rule says so."""
    with capture_records(shop) as records:
        client = open_client(shop)
        for path in ("/", "/requests", "/static/chest.js", "/nowhere"):
            client.get(f"/chest{path}").close()
        client.get("/search")
    assert [record.route for record in records] == [None, "/search"], "404 is the app's"
    shop.extensions["chest"].close()


def test_without_the_slash(shop: Flask) -> None:
    """Who leaves the last slash out sees the same page, and leaves no record either."""
    with capture_records(shop) as records:
        answer = open_client(shop).get("/chest?since=1h")
    assert (answer.status_code, records) == (200, [])
    assert 'href="/chest/requests' in answer.text
    shop.extensions["chest"].close()


def test_a_rule_may_record_it(tmp_path: Path) -> None:
    """Who wants to know who looks can."""
    app = make_dashboard_app(
        tmp_path,
        CHEST_BUFFER="none",
        CHEST_RULES=[{"blueprint": "chest_dashboard", "record": True}],
    )
    with capture_records(app) as records:
        app.test_client().get("/chest/login")
    assert [record.route for record in records] == ["/chest/login"]
    app.extensions["chest"].close()


def test_several_stores(tmp_path: Path) -> None:
    """The first that can be read is shown; the URL may name another."""
    stores: list[Any] = [
        "memory://",
        "sqlite:///one.db",
        {"url": "sqlite:///two.db", "name": "two"},
    ]
    app = make_dashboard_app(tmp_path, CHEST_CHESTS=stores)
    get_state(app).chests.reverse()
    fill(app, 20)
    get_state(app).chests.reverse()
    client = open_client(app)
    assert "No records" in client.get("/chest/").text
    text = client.get("/chest/?chest=two").text
    assert "No records" not in text
    assert "chest=two" in text, "links stay with it"
    assert client.get("/chest/?chest=memory").status_code == 400
    app.extensions["chest"].close()


@pytest.mark.parametrize("path", PAGES)
def test_the_store_stays(two_stores: Flask, path: str) -> None:
    """Whatever leads on from a page of one store, links, forms and charts, leads to the same."""
    given = f"{path}{'&' if '?' in path else '?'}chest=two"
    text = unescape(open_client(two_stores).get(f"/chest{given}").text)
    assert "No records" not in text
    leading = re.findall(r'<a href="([^"]*\?[^"]*)"', text) + re.findall(
        r'"requestsUrl": ?"([^"]*)"', text
    )
    assert leading
    assert [each for each in leading if "chest=two" not in each] == []
    forms = re.findall(r'<form method="get".*?</form>', text, re.DOTALL)
    assert [each for each in forms if 'name="chest" value="two"' not in each] == []


def test_health(tmp_path: Path) -> None:
    """The ledger, and whether each chest answers; one that does not is told, too."""
    (tmp_path / "bad.db").write_bytes(b"text" * 1000)
    stores = ["sqlite:///chest.db", {"url": "sqlite:///bad.db", "name": "bad"}]
    app = make_dashboard_app(tmp_path, CHEST_CHESTS=stores)
    text = open_client(app).get("/chest/health").text
    app.extensions["chest"].close()
    assert ">ok<" in text
    assert "unreachable: chest &#39;bad&#39;" in text


class Hanging(Chest):
    """A chest whose server does not answer."""

    def __init__(self) -> None:
        super().__init__(name="hanging")
        self.asked = 0
        self.answer = threading.Event()

    def write(self, records: Sequence[Record]) -> None:
        """Takes them."""

    def check(self) -> None:
        """Wait for the server."""
        self.asked += 1
        assert self.answer.wait(30)


def test_health_of_a_chest_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hides no other one, and is asked once, however many pages wait for it."""
    monkeypatch.setattr(health, "_CHECK_TIMEOUT", 0.2)
    hanging = Hanging()
    app = make_dashboard_app(tmp_path, CHEST_CHESTS=["sqlite:///chest.db", hanging])
    client = open_client(app)

    def page() -> str:
        return client.get("/chest/health").text

    for _ in range(2):
        assert "no answer within 0.2 s" in page()
    assert hanging.asked == 1
    hanging.answer.set()
    monkeypatch.undo()
    wait_until(lambda: page().count(">ok<") == 2, page)
    app.extensions["chest"].close()


def test_health_of_a_chest_that_left(tmp_path: Path) -> None:
    """What waits for a chest that is not in the config any more is told."""
    app = make_dashboard_app(tmp_path, CHEST_CHESTS=[DOWN], CHEST_EXPORT_INTERVAL=3600)
    app.test_client().get("/search")
    app.extensions["chest"].close()
    text = open_client(make_dashboard_app(tmp_path)).get("/chest/health").text
    [row] = re.findall(r"<tr><th scope=.row.>left</th>.*?</tr>", text, re.DOTALL)
    assert "not in CHEST_CHESTS" in row
    assert '<td class="n">1</td>' in row
