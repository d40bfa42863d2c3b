"""Tests how checks are registered."""

from __future__ import annotations

from functools import partial

import pytest
from flask import Flask

from flask_chest.dockerflow import Dockerflow, checks


def test_register() -> None:
    """All forms of ``register`` work, and return the function unchanged."""

    def one() -> list[checks.CheckMessage]:
        return []

    assert checks.register(one) is one
    assert checks.register()(one) is one
    checks.register(name="two")(one)
    checks.register(one, "three")
    assert list(checks.get_checks()) == ["one", "two", "three"]
    checks.clear_checks()
    assert checks.get_checks() == {}


def test_register_partial() -> None:
    """``register_partial`` binds arguments and keeps the name."""

    def ping(what: str, times: int) -> list[checks.CheckMessage]:
        return [checks.Info(what * times, id="ping")]

    checks.register_partial(ping, "ab", 2)
    checks.register_partial(ping, "c", 1, name="other")
    results = checks.run_checks(checks.get_checks().items())
    assert results.details["ping"]["messages"] == {"ping": "abab"}
    assert results.details["other"]["messages"] == {"ping": "c"}


def test_registering_errors() -> None:
    """A check that is not callable or has no name is an error with a remedy."""
    with pytest.raises(TypeError, match="must be callable, not str"):
        checks.register("no check")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="pass name="):
        checks.register(partial(list))


def test_get_checks_in_an_app(app: Flask, dockerflow: Dockerflow) -> None:
    """In an app context, ``get_checks`` also returns the app's own checks."""
    checks.register(name="shared")(list)
    dockerflow.check(name="own")(list)
    assert list(checks.get_checks()) == ["shared"]
    with app.app_context():
        assert list(checks.get_checks()) == ["shared", "own"]
