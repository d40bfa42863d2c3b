"""Tests the results of checks: their levels, their messages, and the log."""

from __future__ import annotations

import logging

import pytest

from flask_chest.dockerflow import checks

from .conftest import run


def test_results() -> None:
    """The results have a status for each check, and details for checks with messages."""

    def messages() -> list[checks.CheckMessage]:
        return [checks.Error("bad", id="e"), checks.Warning("odd", id="w")]

    results = checks.run_checks([("first", messages), ("second", list)])
    assert results.level == checks.ERROR
    assert results.statuses == {"first": "error", "second": "ok"}
    assert results.details == {
        "first": {"status": "error", "level": 40, "messages": {"e": "bad", "w": "odd"}}
    }


def test_silenced_ids(caplog: pytest.LogCaptureFixture) -> None:
    """A silenced message has no effect on the results and is not logged."""
    results = run(
        lambda: [checks.Error("bad", id="e"), checks.Warning("odd", id="w")],
        silenced_check_ids=["e"],
    )
    assert results.level == checks.WARNING
    assert results.details["it"]["messages"] == {"w": "odd"}
    assert [record.getMessage() for record in caplog.records] == ["w: odd"]


def test_messages_are_logged_at_their_level(caplog: pytest.LogCaptureFixture) -> None:
    """Each message is logged at its own level, under python-dockerflow's logger name."""
    caplog.set_level(logging.DEBUG, logger="dockerflow.checks.registry")
    run(lambda: [checks.Debug("d", id="1"), checks.Error("e", id="2"), checks.Info("i", id="3")])
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "1: d"),
        ("ERROR", "2: e"),
        ("INFO", "3: i"),
    ]


def test_messages_without_an_id() -> None:
    """Messages without an id appear under the check's name, and none is dropped."""
    results = run(lambda: [checks.Info("one"), checks.Info("two")])
    assert results.details["it"]["messages"] == {"it": "one; two"}
