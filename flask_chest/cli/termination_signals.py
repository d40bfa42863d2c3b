"""Handles SIGTERM and SIGINT for commands that run until they are stopped."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_WATCH_INTERVAL = 5.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def wait_for_shutdown() -> Iterator[Callable[..., None]]:
    """Yield a function that blocks until SIGTERM or SIGINT arrives.

    It may be given a function, which it calls every few seconds meanwhile.

    Python runs signal handlers in the main thread. If the kernel gives the signal to another
    thread, the main thread does not wake up; this happens when a stopped process is continued.
    Python writes to the wakeup descriptor in every case.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # Set the descriptor before the handlers: a signal in between would get lost.
    before = signal.set_wakeup_fd(writer.fileno())
    handlers = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}

    def wait(watch: Callable[[], None] = lambda: None) -> None:
        reader.settimeout(_WATCH_INTERVAL)
        received: set[int] = set()  # the app handles other signals itself
        while not received.intersection(_SIGNALS):
            try:
                received = set(reader.recv(64))
            except TimeoutError:
                watch()

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()
