"""Polling for conditions that no event announces: other processes, and rows in a store."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], object], describe: Callable[[], str], seconds: float = 180.0
) -> None:
    """Call a condition until it is true.

    :param describe: returns the failure's message.
    :param seconds: fail after this time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.05)
