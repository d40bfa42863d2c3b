"""The current process id, and a lock that a forked process does not inherit locked."""

from __future__ import annotations

import os
import threading

from ._speedups import current_pid

__all__ = ["ProcessLock", "current_pid"]


class ProcessLock:
    """A lock for each process, created when it is first needed.

    A thread of the parent process may hold the parent's lock forever. Also, gevent may be loaded
    late by a server, and does not know locks from before.
    """

    def __init__(self) -> None:
        self._by_pid: dict[int, threading.Lock] = {}

    @property
    def mine(self) -> threading.Lock:
        """The lock of this process."""
        return self._by_pid.setdefault(os.getpid(), threading.Lock())
