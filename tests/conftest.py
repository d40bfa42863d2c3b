"""Fixtures and Hypothesis profiles for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from .apps import Site

_STEADY: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
# The same examples in each run, so that a failure comes from the change under test.
settings.register_profile("steady", max_examples=50, derandomize=True, **_STEADY)
# Searches for new examples; run by hand: --hypothesis-profile=search
settings.register_profile("search", max_examples=1000, print_blob=True, **_STEADY)
# Rounds of "python -m tests.fuzz".
settings.register_profile("fuzz", max_examples=200, print_blob=True, **_STEADY)
settings.load_profile("steady")


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Creates recorded apps: ``make_site(arguments={...}, CHEST_TAGS={...})``."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Site:
            return stack.enter_context(Site(tmp_path, **settings).recording())

        yield make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """A recorded app with default settings."""
    return make_site()
