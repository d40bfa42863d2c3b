"""Sends requests to the torture app in this process, and prints the ledger as the last line."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

from .app import CONFIG, INSTANCE, make_torture_app, rescan


def main(count: int) -> None:
    """Send requests, deliver them, exit; log to standard error."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    config = json.loads(os.environ.get(CONFIG, "{}"))
    app = make_torture_app(Path(os.environ[INSTANCE]), **config)
    client = app.test_client()
    statuses = {client.get(f"/put/{os.getpid()}-{number}").status_code for number in range(count)}
    chest = app.extensions["chest"]
    flushed = chest.flush(30)
    if count:
        rescan(app)
    started = time.monotonic()
    chest.close()
    account = next(iter(chest.stats()["chests"].values()))
    exit_seconds = time.monotonic() - started
    result = {"statuses": sorted(statuses), "flushed": flushed, "exit_seconds": exit_seconds}
    sys.stdout.write(json.dumps({**result, **account}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
