"""A script: makes many apps on one folder, sends a request to each, and reports what they cost.

``python -m tests.delivery.many_apps FOLDER NUMBER [same|names] [wait|idle|drop]``
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

from flask import Flask

from flask_chest import FlaskChest


def make_apps(folder: Path, number: int, names: str) -> list[Flask]:
    """Make the apps; each has answered one request."""
    apps = []
    for each in range(number):
        app = Flask(f"app-{each}" if names == "names" else "app", instance_path=str(folder))
        FlaskChest(app)
        app.add_url_rule("/", "home", lambda: "ok")
        answer = app.test_client().get("/")
        assert answer.status_code == 200, answer.text
        apps.append(app)
    return apps


def measure() -> dict[str, Any]:
    """Return what this process holds."""
    return {
        "threads": threading.active_count(),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "at": time.time(),
    }


def main(folder: str, number: str, names: str = "same", end: str = "wait") -> None:
    """Print one line of JSON."""
    found: dict[str, Any] = {"before": measure()}
    apps = make_apps(Path(folder), int(number), names)
    found["served"] = measure()
    if end == "idle":
        time.sleep(3)  # until all is delivered
        before = time.process_time()
        time.sleep(5)
        found["cpu"] = (time.process_time() - before) / 5
    if end == "drop":
        alive = [weakref.ref(app) for app in apps]
        apps.clear()
        gc.collect()
        gc.collect()
        found["alive"] = sum(each() is not None for each in alive)
        deadline = time.monotonic() + 10
        while threading.active_count() > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        found["dropped"] = measure()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
