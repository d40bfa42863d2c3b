"""Serves an app on this machine only, for commands that show something in a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

_HOST = "127.0.0.1"


class _QuietHandler(WSGIRequestHandler):
    """Does not log requests."""

    def log_request(self, *_: Any) -> None:
        pass


@contextmanager
def serving(app: Flask, port: int, *, log_requests: bool = False) -> Iterator[str]:
    """Serve an app from a thread until the ``with`` block ends; yield the address.

    A port that is in use ends the command with a message.

    :param port: 0 lets the system choose one.
    :param log_requests: print a line per request, as ``flask run`` does.
    """
    handler = WSGIRequestHandler if log_requests else _QuietHandler
    server = make_server(_HOST, port, app, threaded=True, request_handler=handler)
    thread = threading.Thread(target=server.serve_forever, name="flask-chest-server", daemon=True)
    thread.start()
    try:
        yield f"http://{_HOST}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
