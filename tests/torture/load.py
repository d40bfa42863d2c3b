"""Sends requests continuously, and knows which of them were answered."""

from __future__ import annotations

import http.client
import threading
from types import TracebackType

from typing_extensions import Self


class Load:
    """Sends requests from several threads while the context is open.

    :param port: the port of a server on loopback.
    :param name: the start of its request ids.
    :param threads: how many threads send requests.
    :param pause: seconds between two requests of one thread.
    """

    def __init__(self, port: int, name: str, threads: int = 4, pause: float = 0.01) -> None:
        self.answered: list[str] = []
        self.sent = 0
        self._port = port
        self._name = name
        self._pause = pause
        self._ended = threading.Event()
        self._new_answer = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, seconds: float = 180.0) -> None:
        """Wait until ``more`` further requests have been answered."""
        goal = len(self.answered) + more
        with self._new_answer:
            assert self._new_answer.wait_for(lambda: len(self.answered) >= goal, seconds)

    def _run(self, thread: int) -> None:
        number = 0
        while not self._ended.wait(self._pause):
            number += 1
            ident = f"{self._name}-{thread}-{number}"
            self.sent += 1
            if put(self._port, ident):
                with self._new_answer:
                    self.answered.append(ident)
                    self._new_answer.notify_all()


def put(port: int, ident: str) -> bool:
    """Send one request; return whether its whole answer was received."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", f"/put/{ident}", headers={"X-Request-ID": ident})
        answer = connection.getresponse()
        return answer.status == 200 and answer.read().decode() == ident
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
