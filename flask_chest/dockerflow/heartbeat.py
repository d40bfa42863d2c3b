"""The heartbeat of one app: a storm of requests runs each check once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection
from time import monotonic
from typing import TypeAlias

from flask import Flask

from .checks.registry import CheckFn
from .checks.results import ChecksResults, sum_up
from .checks.runner import CheckRunner
from .settings import HeartbeatSettings

#: The checks and the silenced ids: with other ones, an earlier result is no answer.
_Key: TypeAlias = tuple[tuple[tuple[str, CheckFn], ...], tuple[str, ...]]

# Seconds beyond the checks' timeout after which a waiting request no longer trusts the one that
# runs them.
_GRACE = 1.0


class _Flight:
    """One run of all checks, that several requests may wait for."""

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.landed = threading.Event()
        self.results: ChecksResults | None = None
        self.landed_at = 0.0


class _State:
    """What one process knows. Made where requests are served, never before a fork."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runner = CheckRunner()
        self.flight: _Flight | None = None


class Heartbeat:
    """Runs the checks of one app.

    :param checks: gives the checks to run, by name.
    :param silenced: ids of messages to leave out.
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
        """What the checks find now, or found within the last ``settings.cache`` seconds."""
        state = self._state()
        key = tuple(self._checks().items()), tuple(self._silenced())
        while True:
            flight, leads = self._join(state, key, settings)
            if leads:
                return self._fly(state, flight, settings)
            flight.landed.wait(settings.timeout + _GRACE)
            if flight.results is not None and flight.key == key:
                return flight.results
            with state.lock:
                if state.flight is flight:
                    state.flight = None  # its leader is gone, or it was for other checks

    def _state(self) -> _State:
        # By pid: a lock that was held while the process forked is never let go in the child.
        pid = os.getpid()
        return self._states.get(pid) or self._states.setdefault(pid, _State())

    def _join(self, state: _State, key: _Key, settings: HeartbeatSettings) -> tuple[_Flight, bool]:
        """The flight to wait for, and whether the caller has to fly it."""
        with state.lock:
            flight = state.flight
            if flight is not None and not self._is_stale(flight, key, settings):
                return flight, False
            flight = state.flight = _Flight(key)
            return flight, True

    @staticmethod
    def _is_stale(flight: _Flight, key: _Key, settings: HeartbeatSettings) -> bool:
        if not flight.landed.is_set():
            return False
        age = monotonic() - flight.landed_at
        return flight.results is None or flight.key != key or age >= settings.cache

    def _fly(self, state: _State, flight: _Flight, settings: HeartbeatSettings) -> ChecksResults:
        try:
            checks, silenced = flight.key
            found = state.runner.run(checks, settings.timeout, self._app.app_context)
            flight.results = sum_up(found, silenced)
            return flight.results
        finally:
            flight.landed_at = monotonic()
            flight.landed.set()
