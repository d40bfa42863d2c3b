"""The check of an app's chests: do they answer, do records get there, are any lost."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask

from .. import errors
from ..app.state import find_state
from . import health
from .checks.messages import CheckMessage, Error, Warning  # noqa: A004 - a message class
from .checks.registry import CheckFn
from .checks.runner import Runner
from .settings import ChestSettings, chest_settings, heartbeat_settings

if TYPE_CHECKING:
    from ..app.state import AppState
    from ..chests.base import Chest
    from ..delivery.ledger import Account

NAME = "chest"

# The ledger counts for ever; a loss is news for this many seconds.
_NEWS = 3600.0

# The chests' own checks end before this one must.
_SHARE_OF_TIME = 0.8


class ChestCheck:
    """The check ``chest`` of one app."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._runner = Runner()
        self._losses: dict[str, Losses] = {}

    def checks(self) -> dict[str, CheckFn]:
        """This check by its name; none where the app has no chest."""
        return {} if find_state(self._app) is None else {NAME: self.check}

    def check(self) -> list[CheckMessage]:
        """Look at each chest."""
        state = find_state(self._app)
        if state is None:  # pragma: no cover - then it is none of the checks
            return []
        settings = chest_settings(self._app.config)
        found = self._reach(state)
        accounts = state.delivery.ledger().accounts
        now = time.time()
        for chest in state.chests:
            oldest = state.delivery.oldest(chest.name)
            if oldest is not None:
                found += _pending(chest.name, now - oldest / 1_000_000, settings)
            if chest.name in accounts:
                losses = self._losses.setdefault(chest.name, Losses())
                lost = losses.lately(_missed(accounts[chest.name]), time.monotonic())
                found += _lost(chest.name, lost, settings)
        return found

    def _reach(self, state: AppState) -> list[CheckMessage]:
        """Ask all chests at once: one that hangs must not hide another."""
        # Without a buffer a chest that is away fails the requests, with one it only delays records.
        level = Error if state.settings.buffer == "none" else Warning
        checks = [(chest.name, _Reaching(chest, level)) for chest in state.chests]
        timeout = heartbeat_settings(self._app.config).timeout * _SHARE_OF_TIME
        found: list[CheckMessage] = []
        for name, findings in self._runner.run(checks, timeout).items():
            found += [_unreachable(name, each, level) for each in findings]
        return found


class Losses:
    """How many records were lost lately, from a number that only grows."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def lately(self, total: int, now: float) -> int:
        """How many of ``total`` were not lost already an hour before ``now``, in seconds.

        What was lost before it was first asked counts as lost then.
        """
        seen = self._seen
        if not seen:
            seen.append((now, 0))
        if seen[-1][1] != total:
            seen.append((now, total))
        while len(seen) > 1 and seen[1][0] <= now - _NEWS:
            seen.popleft()
        return total - seen[0][1]


@dataclass(frozen=True)
class _Reaching:
    """The check of one chest. Two of them for one chest are equal: a runner sees that it hangs."""

    chest: Chest
    level: type[CheckMessage]

    def __call__(self) -> list[CheckMessage]:
        # A chest is called by one thread at a time; delivery may be at work.
        with self.chest.lock:
            try:
                self.chest.check()
            except errors.ChestError as error:
                return [self.level(str(error))]
        return []


def _missed(account: Account) -> int:
    # What somebody has had erased among the rejected is no loss to be told of.
    return account.lost.total() - account.lost["forgotten"]


def _unreachable(name: str, finding: CheckMessage, level: type[CheckMessage]) -> CheckMessage:
    text = "no answer in time" if finding.id == health.CRITICAL_CHECK_TIMED_OUT else finding.msg
    return level(
        f"chest {name!r} cannot be reached: {text}",
        obj=finding.obj,
        id=f"{health.CHEST_UNREACHABLE}.{name}",
    )


def _pending(name: str, age: float, settings: ChestSettings) -> list[CheckMessage]:
    text = f"chest {name!r}: the oldest record that is not delivered yet is {age:.0f} seconds old"
    return _graded(text, age, settings.pending, f"{health.CHEST_PENDING}.{name}")


def _lost(name: str, count: int, settings: ChestSettings) -> list[CheckMessage]:
    text = f"chest {name!r}: {count} records were lost; see: flask chest status"
    return _graded(text, count, settings.lost, f"{health.CHEST_LOST}.{name}")


def _graded(
    text: str, value: float, thresholds: tuple[float | None, float | None], identity: str
) -> list[CheckMessage]:
    """A message at the level whose threshold the value has reached."""
    warning, error = thresholds
    if error is not None and value >= error:
        return [Error(text, id=identity)]
    if warning is not None and value >= warning:
        return [Warning(text, id=identity)]
    return []
