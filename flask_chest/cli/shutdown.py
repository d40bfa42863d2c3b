"""Commands that run until they are told to end."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ENDINGS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def ending() -> Iterator[Callable[[], None]]:
    """Within it, signals that end a process end what it returns: a call that waits for them.

    Python runs a handler in the main thread, which sleeps on where the kernel has given the signal
    to another one, as it does now and then when a process was stopped and goes on. What Python
    writes to the wakeup descriptor comes in any case.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    # First this: a signal that came in between would be heard by nobody.
    before = signal.set_wakeup_fd(writer.fileno())
    handlers = {number: signal.signal(number, lambda *_: None) for number in _ENDINGS}

    def wait() -> None:
        while not set(reader.recv(64)).intersection(_ENDINGS):
            pass  # a signal that the app itself listens to

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()
