"""Examines the stores: whether they answer, accept records, and have the right time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from ...chests.base import Chest
from ...errors import ChestError
from ..calls_with_deadline import Call, TimedCalls
from .finding import Finding, note

# Seconds by which clocks may differ: charts and retention do not show it.
_MAX_SKEW = 5.0
# A clock before 2020 was never set.
_EARLIEST = 1_577_836_800
_SET_CLOCK = "timedatectl set-ntp true"


def examine_stores(chests: Sequence[Chest], timeout: float) -> Iterator[Finding]:
    """Ask all stores at the same time. Their tables are created, but no record is stored.

    :param timeout: seconds that the stores may take together.
    """
    if time.time() < _EARLIEST:
        yield Finding("clock", f"this machine's clock says {time.ctime()}", _SET_CLOCK)
    calls: TimedCalls[float | None] = TimedCalls("chest-doctor")
    for name, call in calls.run({each.name: _examine(each) for each in chests}, timeout).items():
        yield from _findings(name, call, timeout)


def _examine(chest: Chest) -> Callable[[], float | None]:
    def run() -> float | None:
        # Only one thread at a time may call a chest.
        with chest.lock:
            chest.check()
            chest.check_rights()
            before = time.time()
            theirs = chest.clock()
            # The answer takes as long as the question.
            return None if theirs is None else theirs - (before + time.time()) / 2

    return run


def _findings(name: str, call: Call[float | None], timeout: float) -> Iterator[Finding]:
    subject = f"chest {name}"
    if not call.is_done:
        yield Finding(subject, f"no answer within {timeout:g} s", "check host, port and firewall")
    elif isinstance(call.error, ChestError):
        # The message has the chest, its address and the remedy.
        text, _, remedy = str(call.error).partition("; ")
        yield Finding(subject, text, remedy)
    elif call.error is not None:
        yield Finding(subject, f"{type(call.error).__name__}: {call.error}")
    elif call.value is not None and abs(call.value) > _MAX_SKEW:
        yield Finding(
            subject,
            f"the clock of its server is {abs(call.value):.0f} s "
            f"{'ahead of' if call.value > 0 else 'behind'} this machine's",
            _SET_CLOCK,
        )
    else:
        yield note(subject, "answers, and accepts records")
