"""Runs the heartbeat's checks, once for all requests that arrive at the same time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from time import monotonic
from typing import TypeAlias

from flask import Flask

from .checks.registry import CheckFn
from .checks.results import ChecksResults, summarize
from .checks.runner import CheckRunner
from .settings import HeartbeatSettings

#: The checks and the silenced ids; a result is only valid for the same ones.
_Key: TypeAlias = tuple[tuple[tuple[str, CheckFn], ...], tuple[str, ...]]

# Seconds after the checks' timeout at which a waiting request stops waiting for the other one.
_GRACE_SECONDS = 1.0


class _Run:
    """One run of all checks. Several requests may wait for it."""

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.done = threading.Event()
        self.results: ChecksResults | None = None
        self.ended_at = 0.0


class _State:
    """The state of one process, created by its first heartbeat and so after any fork."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runner = CheckRunner()
        self.run: _Run | None = None


class Heartbeat:
    """Runs the checks of one app.

    :param checks: returns the checks to run, by name.
    :param silenced: returns the ids of messages to ignore.
    """

    def __init__(
        self,
        app: Flask,
        checks: Callable[[], dict[str, CheckFn]],
        silenced: Callable[[], Collection[str]],
    ) -> None:
        self._app = app
        self._checks = checks
        self._silenced = silenced
        self._states: dict[int, _State] = {}

    def results(self, settings: HeartbeatSettings) -> ChecksResults:
        """Return the checks' results, which may be up to ``settings.cache`` seconds old."""
        state = self._state()
        key = tuple(self._checks().items()), tuple(self._silenced())
        while True:
            run, is_new = self._join_or_start(state, key, settings)
            if is_new:
                return self._execute(state, run, settings)
            run.done.wait(settings.timeout + _GRACE_SECONDS)
            if run.results is not None and run.key == key:
                return run.results
            with state.lock:
                if state.run is run:
                    state.run = None  # its request is gone, or it was for other checks

    def _state(self) -> _State:
        # By pid: a lock that was held during a fork is never released in the child.
        pid = os.getpid()
        return self._states.get(pid) or self._states.setdefault(pid, _State())

    def _join_or_start(
        self, state: _State, key: _Key, settings: HeartbeatSettings
    ) -> tuple[_Run, bool]:
        """Return the current run, and whether the caller has to execute it."""
        with state.lock:
            run = state.run
            if run is not None and not self._is_stale(run, key, settings):
                return run, False
            run = state.run = _Run(key)
            return run, True

    @staticmethod
    def _is_stale(run: _Run, key: _Key, settings: HeartbeatSettings) -> bool:
        if not run.done.is_set():
            return False
        age = monotonic() - run.ended_at
        return run.results is None or run.key != key or age >= settings.cache

    def _execute(self, state: _State, run: _Run, settings: HeartbeatSettings) -> ChecksResults:
        try:
            checks, silenced = run.key
            found = state.runner.run(checks, settings.timeout, self._app.app_context)
            run.results = summarize(found, silenced)
            return run.results
        finally:
            run.ended_at = monotonic()
            run.done.set()
