"""Runs one check, and lets checks hang until a test ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from flask_chest.dockerflow import checks


def run(check: Any, **arguments: Any) -> checks.ChecksResults:
    return checks.run_checks([("it", check)], **arguments)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event that hanging checks wait for; set after the test, so that their threads end."""
    event = threading.Event()
    yield event
    event.set()
