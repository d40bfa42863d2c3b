"""An app with one view per kind of response: plain, async, streamed, file, error, exit.

The environment variable ``INSTANCE`` is its instance folder; ``FLASK_*`` variables configure it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from flask import Flask, Response, g, request, send_file, stream_with_context

from flask_chest import FlaskChest

app = Flask("served", instance_path=os.environ["INSTANCE"])
app.config.from_prefixed_env()
FlaskChest(app)


@app.get("/pid/<int:number>")
def pid(number: int) -> str:
    g.number = number
    g.pid = os.getpid()
    return str(os.getpid())


@app.get("/async")
async def asynchronous() -> str:
    await asyncio.sleep(0)
    g.thread = threading.current_thread().name
    return "done"


@app.get("/endless")
def endless() -> Response:
    g.view = 1

    def rows() -> Iterator[bytes]:
        g.rows = 0
        while True:
            yield b"x" * 65536
            g.rows += 1

    return Response(stream_with_context(rows()))


@app.get("/rows/<int:count>")
def rows(count: int) -> Response:
    def make() -> Iterator[str]:
        for g.row in range(1, count + 1):
            yield "row\n"

    return Response(stream_with_context(make()))


@app.get("/file")
def file() -> Response:
    g.wrapper = getattr(request.environ.get("wsgi.file_wrapper"), "__name__", None)
    return send_file(Path(app.instance_path) / "report.bin")


@app.get("/broken")
def broken() -> str:
    g.seen = "so far"
    raise LookupError


@app.get("/exit")
def exit_worker() -> str:
    g.seen = "so far"
    raise SystemExit(3)
