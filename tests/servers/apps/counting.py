"""An app that is recorded, for servers to serve; settings come from ``FLASK_*`` variables."""

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


class Told(logging.StreamHandler[TextIO]):
    """Keeps what is logged, and writes it to stderr as well."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A log that is full is what is being tried."""


def create_app() -> Flask:
    """``INSTANCE`` is the instance folder, ``TALLIES`` one for what the views have set."""
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

    def keep_tally() -> None:
        path = Path(os.environ["TALLIES"], f"{os.getpid()}.json")
        if tally:
            path.write_text(json.dumps(tally))

    atexit.register(keep_tally)
    add_controls(app)
    return app


def add_controls(app: Flask) -> None:
    """Views through which a test looks into a worker, and takes room from it."""

    @app.get("/stats")
    def stats() -> dict[str, Any]:
        return {"pid": os.getpid(), **app.extensions["chest"].stats()["chests"]}

    told = Told()
    logging.getLogger("flask_chest").addHandler(told)

    @app.get("/log")
    def log() -> list[str]:
        """What Flask-Chest has logged, which a full disk may have kept from the server's log."""
        return told.messages

    @app.get("/full")
    def full() -> str:
        """From now on no file of this worker grows, as on a full disk."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        return "full"

    @app.get("/room")
    def room() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        return "room"
