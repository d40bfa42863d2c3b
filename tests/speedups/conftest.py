"""Skips the tests of the compiled request path if it was not compiled."""

from __future__ import annotations

import os

import pytest

from flask_chest._speedups import COMPILED

from ..servers.programs import skip_without


@pytest.fixture(autouse=True, scope="session")
def _compiled() -> None:
    if os.environ.get("PURE_FLASK_CHEST"):
        pytest.skip("asked not to compile")
    if not COMPILED:
        skip_without("the compiled request path (a C compiler? Python.h?)")
