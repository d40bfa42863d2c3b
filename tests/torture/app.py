"""The app that is tortured: each request leaves its own id, and a proof that it arrived intact."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from flask import Flask, g

from ..apps import make_app

#: Where a server's environment carries the instance folder and the app's config.
INSTANCE = "TORTURE_INSTANCE"
CONFIG = "TORTURE_CONFIG"


def make_torture_app(instance: Path, **config: Any) -> Flask:
    """An app with one view: ``/put/<ident>``."""
    app = make_app(instance, name="tortured", **{"CHEST_EXPORT_INTERVAL": 0.1, **config})

    @app.get("/put/<ident>")
    def put(ident: str) -> str:
        g.ident = ident
        g.proof = proof_of(ident)
        if ident == "stuck":
            threading.Event().wait(60)
        return ident

    return app


def create_app() -> Flask:
    """For servers: ``tests.torture.app:create_app()``."""
    return make_torture_app(Path(os.environ[INSTANCE]), **json.loads(os.environ[CONFIG]))


def environment(instance: Path, **config: Any) -> dict[str, str]:
    """What a server is to have in its environment."""
    return {INSTANCE: str(instance), CONFIG: json.dumps(config)}


def proof_of(ident: str) -> str:
    """What a record must hold beside its id to be intact."""
    return f"ä\n{ident[::-1]}" * 20


def rescan(app: Flask) -> None:
    """Have the journal adopt, remove and trim now, not within the next seconds."""
    worker = app.extensions["chest.state"].delivery._worker
    worker.buffer._rescan_after = 0.0
    worker.buffer.maintain()
