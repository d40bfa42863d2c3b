"""Every page: its structure, its errors, and invalid parameters."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask

from flask_chest.app.state import get_state
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.errors import QueryError
from flask_chest.query.filter_parsing import parse_filter

from .shop import EVIL, PAGES, fill, make_dashboard_app, open_client
from .structure import Structure

ODD_TEXTS = [
    *("\0", "\r\n", EVIL, '"', "'\"><b>", "%", "\\", "\ud800", "NaN", "1e999", "-1", "9" * 400),
    *("vars.", "tags.", ".", "vars.a.b", "a=b=c", "1 hour ago", "0001-01-01", "9999-12-31", "now"),
]


@pytest.mark.parametrize("path", PAGES)
def test_pages(shop: Flask, path: str) -> None:
    """Each page is well structured, without inline code, external URLs or unescaped values."""
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
    """Every page works without records."""
    app = make_dashboard_app(tmp_path)
    answer = open_client(app).get(f"/chest{path}")
    assert answer.status_code == (404 if "req-7" in path else 200)
    app.extensions["chest"].close()


@pytest.mark.parametrize("path", [*PAGES[:-1]])
def test_pages_of_a_corrupt_store(tmp_path: Path, path: str) -> None:
    """The error page names the chest."""
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    answer = open_client(make_dashboard_app(tmp_path)).get(f"/chest{path}")
    assert answer.status_code == 503
    assert "chest &#39;sqlite&#39; at" in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("path", "message"),
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
def test_invalid_parameters(shop: Flask, path: str, message: str | None) -> None:
    """Invalid parameters are answered with a page that names the problem, never with a 500."""
    answer = open_client(shop).get(f"/chest{path}")
    assert answer.status_code == (200 if message is None else 400), answer.text
    assert message is None or message in answer.text.replace("&#39;", "'")
    assert "<script>document" not in answer.text
    assert Structure(answer.text).faults == []


def test_long_filters_are_fast(shop: Flask) -> None:
    """The time to parse a filter grows with its length only; 60,000 spaces took 25 s."""
    started = time.process_time()
    for text in (" " * 60_000, "a" + " " * 60_000, " " * 60_000 + "=", "!" * 60_000):
        with pytest.raises(QueryError):
            parse_filter(f"{text}\0")
    assert parse_filter("a" + " " * 60_000 + "=b").value == "b"
    assert time.process_time() - started < 1


PARAMETERS = ("since", "until", "where", "name", "as", "field", "a", "b", "a_since", "a_until")


@pytest.mark.parametrize("name", [*PARAMETERS, "after", "chest", "next", "unknown", "x" * 3000])
@pytest.mark.parametrize("text", ["9" * 2001, " " * 60_000, "=" * 60_000])
def test_long_parameters(shop: Flask, name: str, text: str) -> None:
    """Every parameter has a bound, also unknown ones: a page that names it, and no 500."""
    client = open_client(shop)
    for path in ("/", "/variable", "/compare", "/requests", "/requests/x", "/health"):
        answer = client.get(f"/chest{path}", query_string={name: text})
        assert answer.status_code == 400
        assert "2,000 characters" in answer.text
        assert text not in answer.text


@pytest.mark.parametrize("name", [*PARAMETERS, "after", "chest"])
@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_parameters(shop: Flask, name: str, text: str) -> None:
    """No parameter of any page makes it fail or lets a value become HTML."""
    client = open_client(shop)
    for path in ("/", "/variable?name=total", "/compare", "/requests", "/requests/x", "/health"):
        given = quote(text, errors="surrogatepass")
        answer = client.get(f"/chest{path}{'&' if '?' in path else '?'}{name}={given}")
        assert answer.status_code in {200, 400, 404}, (path, answer.text)
        assert "<script>document" not in answer.text
        assert Structure(answer.text).faults == []


def test_too_many_parameters(shop: Flask) -> None:
    """The number of parameters has a bound, too."""
    answer = open_client(shop).get("/chest/?" + "&".join(["where=a%3D1"] * 151))
    assert answer.status_code == 400
    assert "more than 150 parameters" in answer.text


def test_titles(shop: Flask) -> None:
    """The title and the navigation name the page; error pages are not in the navigation."""
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


def test_records_far_in_the_past_and_future(tmp_path: Path) -> None:
    """Records of 1970 and 9999 are shown if the range includes them."""
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
    """Shows counts and percentiles by route; each route links to its own overview."""
    client = open_client(shop)
    text = client.get("/chest/").text
    assert "3,000" in text
    assert "where=route%3D%2Fsearch" in text
    narrowed = client.get("/chest/?where=route%3D%2Fsearch").text
    assert "/products/" not in narrowed
    assert 'name="where" value="route=/search"' in narrowed


def test_estimates_without_matches(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no record of a sample matches, the page does not claim that no record does."""
    monkeypatch.setattr(SQLReader, "max_records", 200)
    monkeypatch.setattr(SQLReader, "sample_size", 100)
    client = open_client(shop)
    path = "/chest/?where=tenant%3Dnobody"
    text = client.get(path).text
    assert "No such records in the sample" in text
    assert "No records in this range" not in text
    monkeypatch.undo()
    assert "No records in this range with these filters." in client.get(path).text


def test_redacted_stays_redacted(tmp_path: Path) -> None:
    """Values that were redacted at capture are shown as redacted."""
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


#: Characters that could control a terminal, hide text, or change its direction.
HIDDEN = "\x1b\x7f\x85\x9b\xad\u061c\u180e\u200b\u2028\u202e\u2066\ufeff\U000e0041"


def test_hidden_characters(tmp_path: Path) -> None:
    """Every recorded text is shown with escapes: names, values, options, titles, chart legends."""
    app = make_dashboard_app(tmp_path, CHEST_EXPORTER="agent")
    [record] = fill(app, 1)
    odd = replace(
        record,
        id=record.id[:-1] + "1",
        request_id="odd",
        method=HIDDEN,
        route=HIDDEN,
        error=HIDDEN,
        status=None,
        vars={HIDDEN: HIDDEN, "tenant": HIDDEN, "word": f"a{HIDDEN}"},
        tags={"version": HIDDEN, HIDDEN: HIDDEN},
    )
    [chest] = get_state(app).chests
    chest.write([odd])
    client = open_client(app)
    name = quote(f"vars.{HIDDEN}")
    for path in (
        "/",
        "/variable",
        f"/variable?name={name}",
        "/variable?name=word",
        "/compare",
        "/variable?name=route",
        "/requests",
        "/requests/odd",
        "/compare?a_since=2+days",
    ):
        text = client.get(f"/chest{path}").text
        shown = re.sub(r"<input [^>]*>|&#34;", "", text)  # an input has what the reader typed
        assert [each for each in HIDDEN if each in shown] == [], path
        payloads = re.findall(r"data-chart='([^']*)'", text)
        for payload in payloads:
            labels = [line["label"] for line in json.loads(payload)["lines"]]
            assert all(label.isprintable() for label in labels), path
