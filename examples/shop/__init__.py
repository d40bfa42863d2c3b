"""A small shop. None of its views mentions Flask-Chest."""

from __future__ import annotations

from flask import Flask

from flask_chest import FlaskChest

from . import (
    account,
    admin,
    billing,
    catalogue,
    commands,
    errors,
    health,
    jobs,
    orders,
    tenants,
)
from .products import Products


def create_app(instance_path: str | None = None) -> Flask:
    """Create the shop.

    :param instance_path: the folder for ``chest.db``; by default Flask's instance folder.
    """
    app = Flask(__name__, instance_path=instance_path)
    app.config.from_mapping(
        SECRET_KEY="only an example",
        CHEST_RULES=[{"rule": "/healthz", "record": False}],
        CHEST_TAGS={"service": "shop"},
        CHEST_ERRORS="traceback",
        CHEST_MEASURE=["sqlalchemy", "jinja"],
        CHEST_LOGS="warning",
    )
    app.config.from_prefixed_env()
    app.extensions["products"] = Products.load(app.instance_path)
    app.add_url_rule("/healthz", "healthz", lambda: "ok")
    for part in (tenants, orders, catalogue, billing, account, admin, errors, commands):
        part.init_app(app)
    FlaskChest(app)
    health.init_app(app)
    jobs.init_app(app)
    return app
