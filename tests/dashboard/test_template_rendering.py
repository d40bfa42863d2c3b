"""The templates escape values, whatever the app sets in its own Jinja environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from .shop import PAGES, fill, make_dashboard_app, open_client
from .structure import Structure


@pytest.fixture(scope="module")
def odd_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An app whose own templates are not escaped, and have other delimiters and names."""
    app = make_dashboard_app(tmp_path_factory.mktemp("odd"), CHEST_EXPORTER="agent")
    app.jinja_env.autoescape = False
    app.jinja_env.variable_start_string, app.jinja_env.variable_end_string = "[[", "]]"
    app.jinja_env.filters["chest_short"] = lambda _: "replaced"
    app.context_processor(lambda: {"page": "health", "field": "mine", "chest": 1, "params": 2})
    fill(app, 300)
    return app


@pytest.mark.parametrize("path", PAGES)
def test_an_app_that_switches_autoescape_off(odd_app: Flask, path: str) -> None:
    """Recorded values stay text, and the app's names and filters change nothing."""
    answer = open_client(odd_app).get(f"/chest{path}")
    assert answer.status_code == 200
    assert "<script>document" not in answer.text
    assert "[[" not in answer.text
    assert "replaced" not in answer.text
    assert Structure(answer.text).faults == []


def test_the_app_gets_no_filters_of_the_dashboard(tmp_path: Path) -> None:
    """The names of the app's own filters and templates stay its own."""
    app = make_dashboard_app(tmp_path)
    assert [name for name in app.jinja_env.filters if name.startswith("chest_")] == []
    assert not any("flask_chest" in name for name in app.jinja_env.list_templates())
