"""Waiting for what no event tells of: other processes, and what stands in a store."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    is_so: Callable[[], object], tell: Callable[[], str], seconds: float = 180.0
) -> None:
    """Ask again and again.

    :param tell: what the failure says, where it was in vain.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, tell()
        time.sleep(0.05)
