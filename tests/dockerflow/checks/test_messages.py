"""Tests the messages of checks."""

from __future__ import annotations

from flask_chest.dockerflow import checks


def test_levels() -> None:
    """Five message classes, five levels, five words."""
    classes = (checks.Debug, checks.Info, checks.Warning, checks.Error, checks.Critical)
    levels = [made("text").level for made in classes]
    assert levels == [10, 20, 30, 40, 50]
    words = [checks.level_to_text(level) for level in (0, *levels, 45)]
    assert words == ["ok", "debug", "info", "warning", "error", "critical", "unknown"]


def test_message_texts() -> None:
    """``str()`` of a message has its id, its object and its hint."""
    message = checks.Error("down", id="x.E001", obj="redis", hint="start it")
    assert str(message) == "redis: (x.E001) down\n\tHINT: start it"
    assert str(checks.Error("down")) == "?: down"
    assert repr(message) == (
        "<Error: level=40, msg='down', hint='start it', obj='redis', id='x.E001'>"
    )


def test_equal_messages() -> None:
    """Messages are equal if class, level and texts are equal; a level may be passed."""
    assert checks.Error("a", id="1") == checks.Error("a", id="1")
    assert checks.Error("a", level=100) != checks.Error("a", level=101)
    assert checks.Error("a") != checks.Warning("a", level=40)
    assert checks.Error("a").is_serious()
    assert not checks.Warning("a").is_serious()
