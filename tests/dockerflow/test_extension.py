"""Tests how a Dockerflow is added to apps."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

import pytest
from flask import Flask

from flask_chest.dockerflow import Dockerflow, checks
from flask_chest.errors import ConfigError

from .conftest import beat


def test_init_check(app: Flask, dockerflow: Dockerflow) -> None:
    """A check may be registered together with its argument."""

    def check(subject: str) -> list[checks.CheckMessage]:
        return [checks.Info(subject, id="subject")]

    dockerflow.init_check(check, "the till")
    assert beat(app).json["details"]["check"]["messages"] == {"subject": "the till"}


def test_checks_stay_with_their_app() -> None:
    """Each app runs its own checks and those of the process."""
    one, two = Flask("one"), Flask("two")
    Dockerflow(one).check(name="first")(list)
    Dockerflow(two).check(name="second")(list)
    checks.register(name="shared")(list)
    assert beat(one).json["checks"] == {"first": "ok", "shared": "ok"}
    assert beat(two).json["checks"] == {"second": "ok", "shared": "ok"}


def test_factory_pattern() -> None:
    """One Dockerflow can serve several apps."""
    dockerflow = Dockerflow()
    dockerflow.check(name="mine")(list)
    for name in ("one", "two"):
        app = Flask(name)
        dockerflow.init_app(app)
        assert app.extensions["dockerflow"] is dockerflow
        assert beat(app).json["checks"] == {"mine": "ok"}


def test_twice_on_one_app(app: Flask, dockerflow: Dockerflow) -> None:
    """A second Dockerflow on an app is an error with a remedy."""
    with pytest.raises(ConfigError, match="'shop' has a Dockerflow already; drop one"):
        Dockerflow(app)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DOCKERFLOW_CHECK_TIMEOUT", 0),
        ("DOCKERFLOW_CHECK_TIMEOUT", "soon"),
        ("DOCKERFLOW_CHECK_TIMEOUT", float("nan")),
        ("DOCKERFLOW_HEARTBEAT_CACHE", -1),
        ("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", "teapot"),
        ("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", 99),
    ],
)
def test_wrong_config(app: Flask, key: str, value: Any) -> None:
    """A wrong value is an error in ``init_app`` that names key and value."""
    app.config[key] = value
    with pytest.raises(ConfigError, match=f"{key} is {value!r}"):
        Dockerflow(app)


def test_apps_are_garbage_collected() -> None:
    """Neither Dockerflow nor its signals keep an app alive."""
    dockerflow = Dockerflow()
    app = Flask("passing")
    dockerflow.init_app(app)
    assert beat(app).status_code == 200
    known = ref(app)
    del app
    gc.collect()
    assert known() is None
