"""Nothing is to be seen here where nothing was compiled."""

from __future__ import annotations

import os

import pytest

from flask_chest import _speedups as compiled

from ..servers.missing import lack


@pytest.fixture(autouse=True, scope="session")
def _compiled() -> None:
    if os.environ.get("PURE_FLASK_CHEST"):
        pytest.skip("asked not to compile")
    if compiled.speed is None:
        lack("what is to be compiled (a C compiler? Python.h?)")
