"""An app whose requests end in ways that Flask reports by no signal."""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask import Flask, Response, g, request

from flask_chest import FlaskChest


class TimeUpError(BaseException):
    """A timeout that is no ``Exception``, like gevent's."""


def create_app() -> Flask:
    app = Flask(__name__, instance_path=os.environ["INSTANCE"])
    app.config["CHEST_RULES"] = [{"rule": "/secret/<word>", "record": False}]
    FlaskChest(app)

    @app.get("/stream/<int:chunks>")
    def stream(chunks: int) -> Response:
        def generate() -> Iterator[str]:
            for _ in range(chunks):
                yield "x" * 10
            raise LookupError

        return Response(generate())

    @app.get("/teardown")
    def teardown() -> str:
        return "done"

    @app.get("/<any(open, secret):kind>/<word>")
    @app.get("/secret/<word>")
    def time_up(word: str, kind: str = "secret") -> str:
        g.word = word
        raise TimeUpError

    @app.teardown_request
    def fail(_: BaseException | None) -> None:
        if request.path == "/teardown":
            raise LookupError

    return app
