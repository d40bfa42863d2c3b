"""A lock that no fork brings along locked."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from ._speedups import speed


class ProcessLock:
    """A lock for each process, made when it is first needed.

    A thread of the parent may hold the parent's for ever; and gevent, which a server may bring in
    late, knows no lock from before.
    """

    def __init__(self) -> None:
        self._by_pid: dict[int, threading.Lock] = {}

    @property
    def mine(self) -> threading.Lock:
        """This process' own."""
        return self._by_pid.setdefault(os.getpid(), threading.Lock())


#: As ``os.getpid()``, for what each request asks.
current_pid: Callable[[], int] = os.getpid if speed is None else speed.current_pid
