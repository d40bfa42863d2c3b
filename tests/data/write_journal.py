"""Writes a journal as a crashed app leaves it: ``python write_journal.py ARCHIVE``.

It uses the public interface only, so that it runs with the code of any version. The first process
ends properly, and leaves its numbers in the totals. The second process is killed, and leaves
several segments with records of all kinds. One of its chests was never available. The other chest
stored some records, rejected one (a dead letter) and then failed: its checkpoint is in the middle.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Flask, g

from flask_chest import Chest, FlaskChest, Record
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.signals import record_captured

APP_NAME = "crashed"
#: The records of the first process, which are in the totals only.
FIRST_RECORDS = 3
#: The requests of the second process before and after one of its chests fails.
BEFORE, AFTER = 20, 60

HOSTILE: dict[str, Any] = {
    "frame": '\n00000000000010000000001 {"id":"forged"}\n',
    "header": 'ab12cd34 {"id":"forged"}',
    "quotes": '"\'\\"',
    "nul": "a\0b",
    "surrogate": "\ud800",
    "emoji": "🗄️" * 10,
    "long": "ä" * 10_000,
    "numbers": [2**70, -(2**63), 1e308, float("nan"), float("inf"), -0.0],
    "nested": {"a": [{"b": [[[[["deep"]]]]]}], "": None},
    "bytes": b"\xff\xfe",
    "moment": datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc),
    "day": date(2026, 1, 2),
    "decimal": Decimal("1.10"),
    "uuid": UUID(int=7),
    "set": {1},
    "object": object,
}


class Store(Chest):
    """Keeps the ids of its records, fails, or rejects a record.

    :param name: the chest's name, from which its location follows.
    :param up: whether it stores records.
    :param rejects: the request id of the record that it rejects.
    """

    def __init__(self, name: str, up: bool = True, rejects: str = "") -> None:
        super().__init__(name=name)
        self.up = up
        self.rejects = rejects
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        if not self.up:
            raise DeliveryError("the store is down")
        self.records += [record for record in records if record.request_id != self.rejects]
        bad = [record.id for record in records if record.request_id == self.rejects]
        if bad:
            raise RejectedError("the store refuses it", record_ids=bad)

    def location(self) -> str:
        return f"store://{self.name}"

    whereabouts = location  # its name up to 1.0.0.dev0


def make_app(instance: Path, *stores: Store) -> Flask:
    """Return an app with views for plain and hostile values, and one that only ``main`` stores."""
    app = Flask(APP_NAME, instance_path=str(instance), static_folder=None)
    app.config.update(
        CHEST_CHESTS=list(stores),
        CHEST_BATCH_SIZE=8,
        CHEST_EXPORT_INTERVAL=0.05,
        CHEST_BUFFER_MAX_BYTES=2**18,
        CHEST_RULES=[{"rule": "/early", "chests": ["main"]}],
    )
    FlaskChest(app)

    @app.get("/early")
    def early() -> str:
        g.early = True
        return ""

    @app.get("/<int:number>")
    def view(number: int) -> str:
        g.number = number
        if number % 10 == 0:
            for name, value in HOSTILE.items():
                setattr(g, name, value)
        return ""

    @app.cli.command("count")
    def count() -> None:
        g.counted = 7

    return app


def end_properly(instance: Path) -> None:
    """Be the first process."""
    app = make_app(instance, Store("main"), Store("down", up=False))
    for _ in range(FIRST_RECORDS):
        app.test_client().get("/early")
    app.extensions["chest"].close()


def be_killed(instance: Path) -> None:
    """Be the second process."""
    main, down = Store("main", rejects="request-7"), Store("down", up=False)
    app = make_app(instance, main, down)
    captured: list[Record] = []

    def note(sender: Flask, record: Record, **_: object) -> None:
        captured.append(record)

    record_captured.connect(note, app)
    client = app.test_client()
    for number in range(AFTER):
        if number == BEFORE:
            app.extensions["chest"].flush(10)
            main.up = False
        client.get(f"/{number}", headers={"X-Request-ID": f"request-{number}"})
    app.test_cli_runner().invoke(args=["count"])
    with app.app_context():
        g.job = "nightly"
    while not list(instance.glob("chest-journal/*/*.counts")):
        time.sleep(0.05)  # the background thread writes them when a segment is full
    expected = {
        "captured": [asdict(record) for record in captured],
        "delivered": [record.id for record in main.records],
    }
    (instance / "expected.json").write_text(json.dumps(expected, default=str))
    os.kill(os.getpid(), signal.SIGKILL)


def main(archive: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for step in ("end_properly", "be_killed"):
            subprocess.run([sys.executable, __file__, step, folder], check=False)
        with tarfile.open(archive, "w:gz") as file:
            for path in sorted(Path(folder).iterdir()):
                file.add(path, path.name)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        {"end_properly": end_properly, "be_killed": be_killed}[sys.argv[1]](Path(sys.argv[2]))
