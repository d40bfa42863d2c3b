"""Fixtures of the dashboard tests; closes the apps after the tests of each file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from .shop import MADE, fill, make_dashboard_app


@pytest.fixture(scope="module", autouse=True)
def _close_apps() -> Iterator[None]:
    yield
    for app in MADE:
        if "chest" in app.extensions:
            app.extensions["chest"].close()
    MADE.clear()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """A shop with a day of traffic; tests must not change its records."""
    # With an agent, requests of the tests themselves do not reach the store.
    app = make_dashboard_app(tmp_path_factory.mktemp("shop"), CHEST_EXPORTER="agent")
    fill(app)
    return app
