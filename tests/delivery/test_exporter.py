"""The exporter of a process keeps nothing of apps that are gone."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from flask import Flask

from flask_chest import FlaskChest
from flask_chest.app.state import get_state
from flask_chest.delivery.background_delivery import BackgroundDelivery
from flask_chest.delivery.pipeline import Pipeline
from tests.waiting import wait_until


def serve(name: str, folder: Path) -> tuple[Flask, weakref.ref[Pipeline]]:
    """Make an app that has answered a request."""
    app = Flask(name, instance_path=str(folder))
    app.config["CHEST_EXPORT_INTERVAL"] = 0.05
    FlaskChest(app)
    assert app.test_client().get("/").status_code == 404
    delivery = get_state(app).delivery
    assert isinstance(delivery, BackgroundDelivery)
    pipeline = delivery.own_pipeline()
    assert pipeline is not None
    return app, weakref.ref(pipeline)


def is_gone(pipeline: weakref.ref[Pipeline]) -> bool:
    gc.collect()
    return pipeline() is None


def test_a_pipeline_is_freed(tmp_path: Path) -> None:
    """A process that makes and drops apps, while one stays, does not grow."""
    staying, _ = serve("staying", tmp_path)
    dropped, pipeline = serve("dropped", tmp_path)
    del dropped
    wait_until(lambda: is_gone(pipeline), lambda: f"{gc.get_referrers(pipeline())} hold it")
    staying.extensions["chest"].close()
