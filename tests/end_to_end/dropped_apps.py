"""Makes and drops many apps in one process; ``test_dropped_apps`` runs it and reads its output."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
import weakref
from pathlib import Path

from flask import Flask

from flask_chest import FlaskChest

# One app in so many answers a request.
VISITED = 100


def main(folder: str, count: int) -> None:
    _drop(folder, VISITED)  # what the first apps import stays
    before = _state()
    apps = [_make(folder, number) for number in range(count)]
    deadline = time.monotonic() + 60
    while any(app() is not None for app in apps) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.05)
    alive = sum(app() is not None for app in apps)
    sys.stdout.write(json.dumps({"before": before, "after": _state(), "alive": alive}))


def _drop(folder: str, count: int) -> None:
    for number in range(count):
        _make(folder, number)


def _make(folder: str, number: int) -> weakref.ref[Flask]:
    app = Flask("app", instance_path=folder, static_folder=None)
    FlaskChest(app)
    app.add_url_rule("/", view_func=lambda: "ok")
    if number % VISITED == 0:
        app.test_client().get("/")
    return weakref.ref(app)


def _state() -> dict[str, int]:
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    return {
        "bytes": resident,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
    }


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
