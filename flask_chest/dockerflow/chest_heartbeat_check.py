"""The heartbeat's check of an app's chests: reachability, pending records and lost records."""

from __future__ import annotations

import logging
import time
from collections import deque

from flask import Flask

from .._throttle import LogThrottle
from ..app.state import AppState, find_state
from ..delivery.ledger import Account
from ..errors import DeliveryError
from ..operations.chest_health import Health, HealthChecker
from . import health
from .checks.messages import CheckMessage, Error, Warning  # noqa: A004 - a message class
from .checks.registry import CheckFn
from .settings import ChestSettings, chest_settings, heartbeat_settings

NAME = "chest"

# The ledger never forgets a loss. The check reports a loss for this many seconds.
_LOSS_REPORTED_SECONDS = 3600.0

# This check runs under the heartbeat's timeout itself, so its chests get a part of that time.
_TIMEOUT_FRACTION = 0.8

# Everybody can read the heartbeat, so it shows neither addresses nor the text of an error.
_SEE_LOG = "the app's log has the reason, and 'flask chest status' shows it"

logger = logging.getLogger("dockerflow.flask")


class ChestCheck:
    """The check ``chest`` of one app."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._checker = HealthChecker()
        self._losses: dict[str, RecentLosses] = {}
        self._log = LogThrottle(logger)

    def checks(self) -> dict[str, CheckFn]:
        """Return this check under its name; empty if the app has no :class:`FlaskChest`."""
        return {} if find_state(self._app) is None else {NAME: self.check}

    def check(self) -> list[CheckMessage]:
        """Return a message for each chest that is unreachable, behind or losing records."""
        state = find_state(self._app)
        if state is None:  # pragma: no cover - then checks() is empty
            return []
        settings = chest_settings(self._app.config)
        found = self._unreachable(state)
        accounts = state.delivery.ledger().accounts
        now = time.time()
        for chest in state.chests:
            oldest = state.delivery.oldest_pending(chest.name)
            if oldest is not None:
                found += _pending(chest.name, now - oldest / 1_000_000, settings)
            if chest.name in accounts:
                losses = self._losses.setdefault(chest.name, RecentLosses())
                lost = losses.update(_count_lost(accounts[chest.name]), time.monotonic())
                found += _lost(chest.name, lost, settings)
        return found

    def _unreachable(self, state: AppState) -> list[CheckMessage]:
        # A store that is down delays records. Without a buffer, it makes requests fail.
        level = Error if state.settings.buffer == "none" else Warning
        timeout = heartbeat_settings(self._app.config).timeout * _TIMEOUT_FRACTION
        found: list[CheckMessage] = []
        for name, chest_health in self._checker.check(state.chests, timeout).items():
            found += _unreachable(name, chest_health, level)
            if chest_health.error is not None:
                self._log.warning(name, "chest %r is %s", name, chest_health)
        return found


class RecentLosses:
    """Counts how many records were lost within the last hour, from a total that only grows."""

    def __init__(self) -> None:
        self._totals: deque[tuple[float, int]] = deque()

    def update(self, total: int, now: float) -> int:
        """Note the current total and return how many of its losses are younger than an hour.

        The losses of the first total count as if they had just happened.

        :param total: records lost since the beginning.
        :param now: seconds of a monotonic clock.
        """
        totals = self._totals
        if not totals:
            totals.append((now, 0))
        if totals[-1][1] != total:
            totals.append((now, total))
        while len(totals) > 1 and totals[1][0] <= now - _LOSS_REPORTED_SECONDS:
            totals.popleft()
        return total - totals[0][1]


def _count_lost(account: Account) -> int:
    # Rejected records that were erased on request are counted as lost, but nobody needs an alarm.
    return account.lost.total() - account.lost["forgotten"]


def _unreachable(name: str, chest_health: Health, level: type[CheckMessage]) -> list[CheckMessage]:
    if chest_health.late_after is not None:
        reason = "no answer in time"
    elif chest_health.error is None:
        return []
    else:
        reason = _public_reason(chest_health.error)
    identity = f"{health.CHEST_UNREACHABLE}.{name}"
    return [level(f"chest {name!r} cannot be reached: {reason}", id=identity)]


def _public_reason(error: BaseException) -> str:
    """Return the class of an error and a remedy, both without an address or a value."""
    if isinstance(error, DeliveryError):
        return f"{error.cause}; {error.remedy or _SEE_LOG}"
    return f"{type(error).__name__}; {_SEE_LOG}"


def _pending(name: str, age: float, settings: ChestSettings) -> list[CheckMessage]:
    text = f"chest {name!r}: the oldest record that is not delivered yet is {age:.0f} seconds old"
    return _graded(text, age, settings.pending, f"{health.CHEST_PENDING}.{name}")


def _lost(name: str, count: int, settings: ChestSettings) -> list[CheckMessage]:
    text = f"chest {name!r}: {count} records were lost; see: flask chest status"
    return _graded(text, count, settings.lost, f"{health.CHEST_LOST}.{name}")


def _graded(
    text: str, value: float, thresholds: tuple[float | None, float | None], identity: str
) -> list[CheckMessage]:
    """Return a message at the highest level whose threshold the value has reached."""
    warning, error = thresholds
    if error is not None and value >= error:
        return [Error(text, id=identity)]
    if warning is not None and value >= warning:
        return [Warning(text, id=identity)]
    return []
