"""Apps whose stores a test switches on and off, and helpers that visit and deliver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flask import Flask, g

from flask_chest.chests.base import Chest
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.record.record import Record

from ..apps import make_app
from .app import rescan


class SwitchableChest(Chest):
    """Stores the request ids of its records, is down, or rejects all records.

    :param name: the chest's name.
    :param up: whether it stores records.
    :param rejects: whether it rejects all records.
    """

    def __init__(self, name: str, up: bool = True, rejects: bool = False) -> None:
        super().__init__(name=name)
        self.up = up
        self.rejects = rejects
        self.request_ids: list[str] = []

    def write(self, records: Sequence[Record]) -> None:
        if not self.up:
            raise DeliveryError("down")
        if self.rejects:
            raise RejectedError("no", record_ids=[record.id for record in records])
        self.request_ids += [record.request_id for record in records]


def make_visited_app(folder: Path, name: str, *chests: Any, **config: Any) -> Flask:
    """Make an app with one view: ``/<ident>``."""
    app = make_app(
        folder,
        name=name,
        CHEST_CHESTS=list(chests),
        CHEST_EXPORT_INTERVAL=0.05,
        CHEST_SHUTDOWN_TIMEOUT=60,
        **config,
    )

    @app.get("/<ident>")
    def view(ident: str) -> str:
        g.ident = ident
        return ident

    return app


def visit(app: Flask, ident: str) -> None:
    """Send a request whose id is ``ident``."""
    app.test_client().get(f"/{ident}", headers={"X-Request-ID": ident})


def close(app: Flask) -> None:
    """End delivery as a process does at exit."""
    app.extensions["chest"].close()


def deliver(app: Flask) -> None:
    """Adopt the records of dead processes, deliver everything, and remove finished folders."""
    rescan(app)
    app.extensions["chest"].flush(60)
    rescan(app)


def account(app: Flask, chest: str) -> dict[str, object]:
    """Return a chest's account as ``stats()`` shows it."""
    found: dict[str, object] = app.extensions["chest"].stats()["chests"][chest]
    return found
