"""Apps of the dashboard's tests let go of the stores that their pages read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .shop import MADE


@pytest.fixture(scope="module", autouse=True)
def _close_apps() -> Iterator[None]:
    yield
    for app in MADE:
        if "chest" in app.extensions:
            app.extensions["chest"].close()
    MADE.clear()
