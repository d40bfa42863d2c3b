"""The app that gunicorn serves for ``benchmarks.serving``; ``VARIANT`` selects the variant."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from . import apps


def create_app() -> Flask:
    """Make the bare app, or one with Flask-Chest, SQLite and the thread exporter or an agent."""
    folder = Path(os.environ["INSTANCE"])
    if os.environ["VARIANT"] == "bare":
        return apps.bare(folder)
    from flask_chest import FlaskChest

    app = apps.bare(folder)
    app.config.update(CHEST_EXPORTER=os.environ["VARIANT"])
    FlaskChest(app)
    return app
