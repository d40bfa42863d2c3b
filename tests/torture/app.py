"""The app of the torture tests: each record has its request's id, and a proof of integrity."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from flask import Flask, g

from ..apps import make_app

#: The environment variables of a server with the instance folder and the app's config.
INSTANCE = "TORTURE_INSTANCE"
CONFIG = "TORTURE_CONFIG"


def make_torture_app(instance: Path, **config: Any) -> Flask:
    """Make an app with one view: ``/put/<ident>``."""
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
    """Make the app of a server: ``tests.torture.app:create_app()``."""
    return make_torture_app(Path(os.environ[INSTANCE]), **json.loads(os.environ[CONFIG]))


def environment(instance: Path, **config: Any) -> dict[str, str]:
    """Return the environment of a server."""
    return {INSTANCE: str(instance), CONFIG: json.dumps(config)}


def proof_of(ident: str) -> str:
    """Return the value that an intact record has beside its id."""
    return f"ä\n{ident[::-1]}" * 20


def rescan(app: Flask) -> None:
    """Have the journal adopt, remove and trim now, not within the next seconds."""
    pipeline = app.extensions["chest.state"].delivery._pipeline
    pipeline.buffer._rescan_after = 0.0
    pipeline.buffer.maintain()
