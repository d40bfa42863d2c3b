"""Fuzzes every query parameter of every page."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dashboard.shop import EVIL, fill, make_dashboard_app, open_client
from tests.dashboard.structure import Structure
from tests.dashboard.test_record_pages import ODD_TEXTS, PARAMETERS

PATHS = ("/", "/variable", "/compare", "/requests", "/requests/req-7", "/health", "/login")
ALL = (*PARAMETERS, "after", "chest", "next", "unknown", "form", "token")

NAMES = st.sampled_from(["status", "vars.total", "tags.env", "tenant", "route", "time", "a.b", "x"])
OPERATORS = st.sampled_from(["=", "!=", ">", ">=", "<", "<=", "~", "", "=="])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = st.sampled_from(["", "0", "-1", "1e308", "1e999", "nan", "5e-324", "9" * 30, "0x1"])
FILTERS = st.builds("{}{}{}".format, NAMES | TEXTS, OPERATORS, NUMBERS | TEXTS)
UNITS = st.sampled_from(
    ["seconds", "minutes", "hours", "days", "weeks", "months", "years", "", "x"]
)
DURATIONS = st.builds("{} {}".format, st.integers(-2, 10**12) | st.floats(), UNITS)
TIMES = DURATIONS | st.datetimes().map(str) | st.datetimes().map("{}+23:59".format)
VALUES = st.sampled_from(ODD_TEXTS) | TEXTS | FILTERS | TIMES | NUMBERS
PAIRS = st.lists(st.tuples(st.sampled_from(ALL), VALUES), max_size=6)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    app: Flask = make_dashboard_app(tmp_path_factory.mktemp("fuzzed"))
    fill(app, 40)
    yield open_client(app)
    app.extensions["chest"].close()


@settings(max_examples=max(20, settings().max_examples // 5))
@given(st.sampled_from(PATHS), PAIRS)
def test_parameters(client: FlaskClient, path: str, pairs: list[tuple[str, str]]) -> None:
    """No combination makes a page fail, become active, or lead to another site."""
    # The client refuses lone surrogates, which anybody can send.
    query = "&".join(f"{name}={quote(value, errors='surrogatepass')}" for name, value in pairs)
    answer = client.get(f"/chest{path}?{query}")
    assert answer.status_code in {200, 302, 303, 400, 404}, answer.text
    assert EVIL not in answer.text
    assert Structure(answer.text).faults == []
    location = answer.headers.get("Location", "/")
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
