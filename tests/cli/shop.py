"""A small shop, and helpers that run commands in it and read their output."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Blueprint, Flask, abort, g
from flask.typing import ResponseReturnValue

from flask_chest.app.state import get_state
from flask_chest.cli import chest as chest_group
from flask_chest.cli.options import FIRST, LAST
from flask_chest.query.query import Query

from ..apps import make_app


def make_shop(folder: Path, **config: Any) -> Flask:
    """Make the shop."""
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
    """Deliver all records and close the app's chests."""
    extension = app.extensions["chest"]
    assert extension.flush(60)
    extension.close()


#: Options for the day of the records that ``many()`` makes.
RANGE = ["--since", "2026-11-20", "--until", "2026-11-21"]


def cells(line: str) -> list[str]:
    """Return the cells of a table's row."""
    return re.split(r" {2,}", line.strip())


def lines_of(result: Result) -> list[Any]:
    """Return the JSON lines that a command printed."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def records_left(app: Flask) -> int:
    """Return the number of records in the store, without the archive."""
    reader = get_state(app).chests[0].reader()
    assert reader is not None
    try:
        return reader.count(Query(since=FIRST, until=LAST))
    finally:
        reader.close()
