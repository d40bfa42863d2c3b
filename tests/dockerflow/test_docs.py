"""Tests that the documentation of Dockerflow agrees with the code."""

from __future__ import annotations

import re

import pytest

from flask_chest.dockerflow import health, settings, signals
from tests import ROOT

PAGE = ROOT / "docs" / "dockerflow.rst"


@pytest.fixture(scope="module")
def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_every_config_key(text: str) -> None:
    """The page has every config key, and no other."""
    known = {
        value
        for value in vars(settings).values()
        if isinstance(value, str) and value.startswith("DOCKERFLOW_")
    }
    assert set(re.findall(r"\bDOCKERFLOW_\w+", text)) == known


def test_defaults(text: str) -> None:
    """The table has the defaults of the code."""
    heartbeat, chest = settings.heartbeat_settings({}), settings.chest_settings({})
    table = dict(re.findall(r"^``(DOCKERFLOW_\w+)`` +(\S+)", text, re.MULTILINE))
    assert {key: table[key] for key in table if key.startswith("DOCKERFLOW_CHEST")} == {
        settings.PENDING_WARNING: f"{chest.pending[0]:g}",
        settings.PENDING_ERROR: str(chest.pending[1]),
        settings.LOST_WARNING: f"{chest.lost[0]:g}",
        settings.LOST_ERROR: str(chest.lost[1]),
    }
    assert table[settings.FAILED_STATUS_CODE] == str(heartbeat.failed_status)
    assert table[settings.CHECK_TIMEOUT] == f"{heartbeat.timeout:g}"
    assert table[settings.HEARTBEAT_CACHE] == f"{heartbeat.cache:g}"


def test_signals_and_ids(text: str) -> None:
    """The page has every signal, and only ids of messages that exist."""
    for name in ("heartbeat_passed", "heartbeat_failed"):
        assert name in text
        assert hasattr(signals, name)
    known = {value for value in vars(health).values() if isinstance(value, str)}
    for found in re.findall(r"``((?:dockerflow|flask_chest)\.health\.[\w.]+)``", text):
        assert found.removesuffix(".NAME") in known
