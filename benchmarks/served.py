"""The app that ``benchmarks.serving`` has gunicorn serve; ``DRESS`` says as what."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from . import apps


def create_app() -> Flask:
    """Bare, or ours: to SQLite, delivered by a thread here or by an agent."""
    folder = Path(os.environ["INSTANCE"])
    if os.environ["DRESS"] == "bare":
        return apps.bare(folder)
    from flask_chest import FlaskChest

    app = apps.bare(folder)
    app.config.update(CHEST_EXPORTER=os.environ["DRESS"])
    FlaskChest(app)
    return app
