"""An app that counts the variables its views set, so that tests can compare them with the records.

``FLASK_*`` environment variables configure it.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import resource
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, TextIO

from flask import Flask, g

from flask_chest import Chest, FlaskChest, Record


class NeedsDriver(Chest):
    """A chest whose driver is not installed."""

    scheme = "needs-driver"

    def write(self, records: Sequence[Record]) -> None:
        import driver_that_is_not_there  # type: ignore[import-not-found]

        driver_that_is_not_there.store(records)


class LogMessages(logging.StreamHandler[TextIO]):
    """Keeps log messages, and writes them to stderr, too."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore errors: tests fill the disk on purpose."""


def create_app() -> Flask:
    """Make the app.

    Environment variables: ``INSTANCE`` is the instance folder; each worker writes its counts to a
    file in the folder ``TALLIES`` when it exits.
    """
    app = Flask(__name__, instance_path=os.environ["INSTANCE"])
    app.config.from_prefixed_env()
    if app.config.get("NEEDS_DRIVER"):
        app.config["CHEST_CHESTS"] = ["sqlite:///chest.db", NeedsDriver()]
    FlaskChest(app)
    numbers = count()
    tally: Counter[str] = Counter()

    @app.get("/")
    def view() -> str:
        number = next(numbers)
        put(pid=os.getpid(), number=number)
        if number % 2:
            put(odd=True)
        return str(os.getpid())

    def put(**variables: Any) -> None:
        for name, value in variables.items():
            setattr(g, name, value)
            tally[name] += 1

    def save_tally() -> None:
        path = Path(os.environ["TALLIES"], f"{os.getpid()}.json")
        if tally:
            path.write_text(json.dumps(tally))

    atexit.register(save_tally)
    add_controls(app)
    return app


def add_controls(app: Flask) -> None:
    """Add views with which a test inspects a worker and limits its disk space."""

    @app.get("/stats")
    def stats() -> dict[str, Any]:
        return {"pid": os.getpid(), **app.extensions["chest"].stats()["chests"]}

    log_messages = LogMessages()
    logging.getLogger("flask_chest").addHandler(log_messages)

    @app.get("/log")
    def log() -> list[str]:
        """Return what Flask-Chest has logged; with a full disk, the server's log lacks it."""
        return log_messages.messages

    @app.get("/full")
    def full() -> str:
        """Let no file of this worker grow from now on, as on a full disk."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        return "full"

    @app.get("/room")
    def room() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        return "room"
