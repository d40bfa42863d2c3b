"""What tests of every folder share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .apps import Site


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes apps that are recorded: ``make_site(arguments={...}, CHEST_TAGS={...})``."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Site:
            return stack.enter_context(Site(tmp_path, **settings).recording())

        yield make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """An app that is recorded, with default settings."""
    return make_site()
