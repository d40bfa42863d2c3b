"""Which process this is, and a lock that a forked process does not inherit locked."""

from __future__ import annotations

import threading

from ._speedups import current_process

__all__ = ["ProcessLock", "current_process"]


class ProcessLock:
    """A lock for each process, created when it is first needed.

    After a fork, the parent's lock may stay locked forever in the child. A server may also load
    gevent late, and gevent does not patch locks that exist already.
    """

    def __init__(self) -> None:
        self._by_pid: dict[int, threading.Lock] = {}

    @property
    def mine(self) -> threading.Lock:
        """The lock of this process."""
        return self._by_pid.setdefault(current_process(), threading.Lock())
