"""Checks whether chests answer: all at the same time, with one deadline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..chests.base import Chest
from ..errors import ChestError
from .calls_with_deadline import Call, NotStartedError, TimedCalls


@dataclass(frozen=True, slots=True)
class Health:
    """The result of one chest's check.

    :param error: what the check raised; ``None`` if it raised nothing.
    :param reason: the text of the error, without the chest's secrets.
    :param late_after: seconds after which the checker stopped waiting for an answer; ``None`` if
        the check returned or raised in time.
    """

    error: BaseException | None = None
    reason: str = ""
    late_after: float | None = None

    def __str__(self) -> str:
        if self.late_after is not None:
            return f"no answer within {self.late_after:g} s"
        return "ok" if self.error is None else f"unreachable: {self.reason}"


class HealthChecker:
    """Checks chests. A hanging chest does not delay the others, and runs only one check at once."""

    def __init__(self) -> None:
        self._calls: TimedCalls[None] = TimedCalls("chest-health")

    def check(self, chests: Iterable[Chest], timeout: float) -> dict[str, Health]:
        """Check all chests at the same time and return their health by name.

        :param timeout: seconds to wait for all chests together.
        """
        by_name = {chest.name: chest for chest in chests}
        calls = self._calls.run({name: _ChestCheck(by_name[name]) for name in by_name}, timeout)
        return {name: _to_health(by_name[name], call, timeout) for name, call in calls.items()}


@dataclass(frozen=True)
class _ChestCheck:
    """A call of ``chest.check()``; two of them are equal if they check the same chest."""

    chest: Chest

    def __call__(self) -> None:
        # Only one thread at a time may call a chest, and delivery may be writing to it.
        with self.chest.lock:
            self.chest.check()


def _to_health(chest: Chest, call: Call[None], timeout: float) -> Health:
    if not call.is_done:
        return Health(late_after=timeout)
    error = call.error
    if error is None:
        return Health()
    is_safe = isinstance(error, (ChestError, NotStartedError))
    return Health(error, str(error) if is_safe else chest.error_message(error))
