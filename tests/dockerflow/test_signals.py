"""Tests the heartbeat's signals."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_chest.dockerflow import Dockerflow, checks
from flask_chest.dockerflow.signals import heartbeat_failed, heartbeat_passed

from .conftest import beat


def test_signals(app: Flask, dockerflow: Dockerflow) -> None:
    """Receivers for the app, for the Dockerflow and for all senders are called once."""
    heard: list[tuple[str, int]] = []
    level = [checks.WARNING]
    dockerflow.check(name="it")(lambda: [checks.CheckMessage("so", level=level[0])])

    @heartbeat_passed.connect_via(app)
    def passed(sender: object, level: int, **extra: Any) -> None:
        heard.append(("passed for the app", level))

    @heartbeat_failed.connect_via(dockerflow)
    def failed(sender: object, level: int, **extra: Any) -> None:
        heard.append(("failed for the Dockerflow", level))

    def both(sender: object, level: int, **extra: Any) -> None:
        heard.append(("all", level))

    with heartbeat_passed.connected_to(both), heartbeat_failed.connected_to(both):
        beat(app)
        level[0] = checks.CRITICAL
        app.config["DOCKERFLOW_HEARTBEAT_CACHE"] = 0
        beat(app)
    assert sorted(heard) == [
        ("all", 30),
        ("all", 50),
        ("failed for the Dockerflow", 50),
        ("passed for the app", 30),
    ]


def test_a_receiver_that_raises(
    app: Flask, dockerflow: Dockerflow, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver's exception is logged and has no other effect."""

    def receiver(sender: object, **extra: Any) -> None:
        raise OSError("statsd is away")

    with heartbeat_passed.connected_to(receiver, app):
        assert beat(app).status_code == 200
    assert "statsd is away" in caplog.text
