"""A small shop, and commands that are run in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Blueprint, Flask, abort, g
from flask.typing import ResponseReturnValue

from flask_chest.cli import chest as chest_group

from ..apps import make_app


def make_shop(folder: Path, **config: Any) -> Flask:
    """A small shop."""
    app = make_app(folder, name="shop", **config)

    @app.get("/")
    def home() -> str:
        g.user_id = 42
        return "ok"

    @app.route("/orders/<int:order_id>", methods=["GET", "POST"])
    def order(order_id: int) -> str:
        g.order_id = order_id
        g.note = "two\nlines \x1b[31m" + "x" * 100
        return "ok"

    @app.get("/fails")
    def fails() -> str:
        raise LookupError("no")

    @app.get("/folder/")
    def folder_view() -> str:
        return "ok"

    @app.get("/gone")
    def gone() -> ResponseReturnValue:
        abort(410)

    shop = Blueprint("shop", __name__, url_prefix="/shop")
    shop.add_url_rule("/", "index", home)
    app.register_blueprint(shop)
    return app


def run(app: Flask, *arguments: str) -> Result:
    """Run a command of ``flask chest``."""
    result = app.test_cli_runner().invoke(chest_group, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def deliver(app: Flask) -> None:
    extension = app.extensions["chest"]
    assert extension.flush(60)
    extension.close()
