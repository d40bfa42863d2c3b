"""httpbin, as its package makes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask import Flask


def make_app(folder: Path, attach: Callable[[Flask], None]) -> Flask:
    import httpbin

    app: Flask = httpbin.app
    attach(app)
    return app
