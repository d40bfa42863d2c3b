"""A process of a function platform: it handles an event for each line, and is frozen in between."""

from __future__ import annotations

import io
import logging
import sys
from concurrent.futures import ThreadPoolExecutor

from flask import Flask, g
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Response

from flask_chest import FlaskChest


def make_app(folder: str) -> Flask:
    """Make the app; each record has the number of its event."""
    app = Flask("app", instance_path=folder)
    app.config["CHEST_FLUSH"] = "request"
    FlaskChest(app)

    @app.get("/<int:number>")
    def view(number: int) -> str:
        g.number = number
        return "ok"

    return app


def handle_like_serverless_wsgi(app: Flask, number: int) -> bytes:
    """Call the app as serverless-wsgi does: in this thread, the response read to its end."""
    environ = EnvironBuilder(f"/{number}", input_stream=io.BytesIO()).get_environ()
    response = Response.from_app(app.wsgi_app, environ)
    return response.get_data()


def handle_like_mangum(app: Flask, number: int) -> bytes:
    """Call the app as Mangum does with an adapter: in a thread of a pool."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(handle_like_serverless_wsgi, app, number).result()


def main(folder: str, shape: str) -> None:
    """Answer each line, a number, with another line."""
    logging.basicConfig(level=logging.WARNING)
    app = make_app(folder)
    handle = {"wsgi": handle_like_serverless_wsgi, "mangum": handle_like_mangum}[shape]
    for line in sys.stdin:
        sys.stdout.write(handle(app, int(line)).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
