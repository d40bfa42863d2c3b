"""The server that a user of the suite names in the environment, or the module's own one."""

from __future__ import annotations

import os
from typing import Any

import pytest


def url_of(request: pytest.FixtureRequest, variable: str) -> str:
    """The URL in an environment variable, or that of the fixture ``server``."""
    given = os.environ.get(variable)
    if given:
        return given
    url: str = request.getfixturevalue("server").url
    return url


def stoppable_server(request: pytest.FixtureRequest, variable: str) -> Any:
    """The fixture ``server``; ``None`` if the user has named a server, which nothing may stop."""
    return None if os.environ.get(variable) else request.getfixturevalue("server")
