"""Holds the client of a store for each process, so that no forked process shares a connection."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import Generic, TypeVar

from .._process_lock import current_process

Client = TypeVar("Client")


class PerProcessClient(Generic[Client]):
    """Holds the client of a store: each process makes its own when it first needs it.

    After a fork, parent and child would read each other's answers from one connection. So the child
    drops the parent's client without closing it, and makes a new one.

    :param make: returns a new client; it runs in the first :meth:`get` of each process.
    :param close: closes a client; default: call its ``close()``.
    :param drop: releases a client that the parent process made, and must leave its connections
        open; default: do nothing.

    .. versionadded:: 1.0
    """

    def __init__(
        self,
        make: Callable[[], Client],
        close: Callable[[Client], object] = methodcaller("close"),
        drop: Callable[[Client], object] = lambda client: None,
    ) -> None:
        self._make = make
        self._close = close
        self._drop = drop
        self._client: Client | None = None
        self._pid = 0

    def get(self) -> Client:
        """Return this process's client; make it if there is none yet.

        :raises Exception: whatever ``make`` raises; the next call tries again.
        """
        client = self._client
        if client is None or self._pid != current_process():
            self.close()
            client = self._make()
            self._client, self._pid = client, current_process()
        return client

    def close(self) -> None:
        """Close this process's client, or drop its parent's; :meth:`get` makes a new one."""
        client, self._client = self._client, None
        if client is None:
            return
        if self._pid == current_process():
            self._close(client)
        else:
            self._drop(client)
