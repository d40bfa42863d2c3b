"""Runs functions at the same time, each in its own thread, and waits no longer than a timeout."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Generic, TypeVar

from .._process_lock import ProcessLock

T = TypeVar("T")


class NotStartedError(Exception):
    """No thread could be started: the system has no more, or the interpreter is shutting down."""


class Call(Generic[T]):
    """One call of one function.

    :param function: called without arguments.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self.function = function
        #: What the function returned.
        self.value: T | None = None
        #: What the function raised, or a :class:`NotStartedError`.
        self.error: BaseException | None = None
        self._done = threading.Event()
        self._started_at = monotonic()
        self._pid = os.getpid()

    @property
    def is_done(self) -> bool:
        """Whether the function has returned or raised."""
        return self._done.is_set()

    @property
    def seconds(self) -> float:
        """Seconds since the call was started."""
        return monotonic() - self._started_at

    def start(self, thread_name: str) -> None:
        """Start the thread. It is a daemon, so a hanging function cannot keep the process alive."""
        thread = threading.Thread(target=self._run, name=thread_name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self.error = NotStartedError(str(error))
            self._done.set()

    def wait(self, timeout: float) -> None:
        """Wait until the function returns, at most ``timeout`` seconds after the call's start."""
        self._done.wait(max(0.0, timeout - self.seconds))

    def is_running(self, function: Callable[[], T]) -> bool:
        """Return whether this process is still running an equal function in this call."""
        return not self.is_done and self._pid == os.getpid() and self.function == function

    def _run(self) -> None:
        try:
            self.value = self.function()
        except BaseException as error:  # noqa: BLE001 - the caller decides, also on SystemExit
            self.error = error
        finally:
            self._done.set()


class TimedCalls(Generic[T]):
    """Calls functions by name. Several threads may use one object.

    :param thread_prefix: the first word of the threads' names.
    """

    def __init__(self, thread_prefix: str) -> None:
        self._thread_prefix = thread_prefix
        self._lock = ProcessLock()
        self._unfinished: dict[str, Call[T]] = {}

    def run(self, functions: Mapping[str, Callable[[], T]], timeout: float) -> dict[str, Call[T]]:
        """Call all functions at the same time and return within ``timeout`` seconds.

        If an earlier call of an equal function has not returned, that call is used again: a new
        thread each time would fill the process when a function hangs.

        :param timeout: seconds that each call may take.
        """
        with self._lock.mine:
            calls = {name: self._join_or_start(name, each) for name, each in functions.items()}
        for call in calls.values():
            call.wait(timeout)
        with self._lock.mine:
            self._unfinished = {
                name: call for name, call in (self._unfinished | calls).items() if not call.is_done
            }
        return calls

    def _join_or_start(self, name: str, function: Callable[[], T]) -> Call[T]:
        earlier = self._unfinished.get(name)
        if earlier is not None and earlier.is_running(function):
            return earlier
        call = self._unfinished[name] = Call(function)
        call.start(f"{self._thread_prefix} {name}")
        return call
