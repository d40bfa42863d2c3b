"""The stores that the tests ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flask_chest import Chest

from .stores import STORES


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=() if name == "sqlite" else pytest.mark.server) for name in STORES
    ],
)
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Callable[[str], Chest]]]:
    """The name of a store, and a function that makes an empty chest."""
    with STORES[request.param].open(tmp_path_factory.mktemp("store")) as make:
        yield request.param, make
