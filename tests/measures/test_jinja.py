"""``CHEST_MEASURE = ["jinja"]``: how long templates take, by Flask's own signals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Response, render_template_string, stream_template_string
from jinja2 import UndefinedError

from ..apps import Site


def test_rendering(make_site: Callable[..., Site]) -> None:
    """Templates within templates count, but their time is a part of the outer one's."""
    site = make_site(CHEST_MEASURE=["jinja"])

    @site.app.get("/")
    def view() -> str:
        return render_template_string("{{ inner() }}", inner=lambda: render_template_string("x"))

    site.client.get("/")
    record = site.only()
    assert record.vars["template.count"] == 2
    assert 0 < record.vars["template.ms"] <= record.duration_ms  # type: ignore[operator]


def test_a_template_that_raises(make_site: Callable[..., Site]) -> None:
    """It has no end; the page that is rendered instead counts."""
    site = make_site(CHEST_MEASURE=["jinja"])

    @site.app.get("/")
    def view() -> str:
        with pytest.raises(UndefinedError):
            render_template_string("{{ missing.x }}")
        return render_template_string("sorry")

    assert site.client.get("/").text == "sorry"
    assert site.only().vars["template.count"] == 1


def test_a_streamed_template(make_site: Callable[..., Site]) -> None:
    """The body is rendered after the view."""
    site = make_site(CHEST_MEASURE=["jinja"])

    @site.app.get("/")
    def view() -> Response:
        return Response(stream_template_string("{% for i in range(3) %}{{ i }}{% endfor %}"))

    assert site.client.get("/").text == "012"
    assert site.only().vars["template.count"] == 1
