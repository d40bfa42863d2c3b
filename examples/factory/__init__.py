"""An app factory: two blueprints, and a configuration from TOML and the environment."""

from __future__ import annotations

from typing import Any

import tomllib  # with Python 3.10: import tomli as tomllib
from flask import Flask

from . import orders, reports
from .extensions import chest


def create_app(**config: Any) -> Flask:
    """Create the app. The environment overrides the file, and arguments override both."""
    app = Flask(__name__)
    app.config.from_file("chest.toml", tomllib.load, text=False)
    app.config.from_prefixed_env()
    app.config.from_mapping(config)
    app.register_blueprint(orders.bp, url_prefix="/orders")
    app.register_blueprint(reports.bp, url_prefix="/reports")
    chest.init_app(app)
    return app
