"""Closes SQLite's connections before a fork, so that a child never has a part in its parent's.

SQLite keeps the locks of a process in its memory. A child that is forked while its parent writes
has a copy of them, and would wait forever for a lock that it believes to hold itself. See
https://sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_
"""

from __future__ import annotations

import os
import threading
import time
from typing import Protocol
from weakref import WeakSet

# Seconds that a fork may wait for a batch that is being written.
_PATIENCE = 5.0


class _Chest(Protocol):
    @property
    def lock(self) -> threading.Lock: ...

    def close(self) -> None: ...


# All chests, not only those with a connection: another thread may just be opening one.
_chests: WeakSet[_Chest] = WeakSet()
_held: list[threading.Lock] = []


def close_before_fork(chest: _Chest) -> None:
    """Close a chest's connection before each fork; its next write opens another one."""
    _chests.add(chest)


def keep_forever(connection: object) -> None:
    """Never close a connection that the parent opened, not even when this process ends.

    Closing it would roll back what the parent is writing.
    """
    import ctypes  # takes memory, and few processes need it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


def _before() -> None:
    deadline = time.monotonic() + _PATIENCE
    for chest in list(_chests):
        lock = chest.lock
        if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            _held.append(lock)
            chest.close()


def _after_in_parent() -> None:
    while _held:
        _held.pop().release()


# The child has locks of its own.
os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_held.clear)
