"""Runs the heartbeat's checks in threads, with a timeout."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from ...operations.calls_with_deadline import Call, NotStartedError, TimedCalls
from .. import health
from ..mozlog_request_id import request_id_context
from .messages import CheckMessage, Critical
from .registry import CheckFn

#: Seconds that one check may take, unless ``DOCKERFLOW_CHECK_TIMEOUT`` is set.
DEFAULT_TIMEOUT = 5.0

Findings = list[CheckMessage]
_Outcome: TypeAlias = tuple[Any, BaseException | None]
Context = Callable[[], AbstractContextManager[Any]]
_Check = TypeVar("_Check", bound=CheckFn)


def when_late(message: CheckMessage) -> Callable[[_Check], _Check]:
    """Set the message for a check that does not return in time; the default is critical."""

    def mark(check: _Check) -> _Check:
        check.late_message = message  # type: ignore[attr-defined]  # survives functools.wraps
        return check

    return mark


class _LateError(Exception):
    """An ``async def`` check did not end in time."""


@dataclass(frozen=True)
class _CheckCall:
    """A call of one check, run in a thread. Two calls of the same check are equal.

    :param context: entered around the call.
    :param timeout: seconds after which an ``async def`` check is cancelled.
    :param request_id: the id of the request that asks, for the check's log lines: a context
        variable does not reach another thread.
    """

    name: str
    check: CheckFn
    context: Context = field(compare=False)
    timeout: float = field(compare=False)
    request_id: str | None = field(compare=False)

    def __call__(self) -> Findings:
        request_id_context.set(self.request_id)
        with self.context():
            return _as_findings(self.name, self._answer())

    def _answer(self) -> Any:
        answer = self.check()
        if not inspect.isawaitable(answer):
            return answer
        answer, error = asyncio.run(_within(answer, self.timeout))
        if error is not None:
            raise error
        return answer


class CheckRunner:
    """Runs checks at the same time, each in its own thread."""

    def __init__(self) -> None:
        self._calls: TimedCalls[Findings] = TimedCalls("dockerflow")

    def run(
        self,
        checks: Iterable[tuple[str, CheckFn]],
        timeout: float = DEFAULT_TIMEOUT,
        context: Context = contextlib.nullcontext,
    ) -> Mapping[str, Findings]:
        """Run all checks at the same time and return their findings within ``timeout`` seconds.

        A check that still hangs from an earlier run is not started again.

        :param context: entered around each check in its thread.
        """
        request_id = request_id_context.get()
        functions = {
            name: _CheckCall(name, check, context, timeout, request_id) for name, check in checks
        }
        calls = self._calls.run(functions, timeout)
        return {name: _findings(name, functions[name].check, call) for name, call in calls.items()}


def _findings(name: str, check: CheckFn, call: Call[Findings]) -> Findings:
    if not call.is_done or isinstance(call.error, _LateError):
        return [_late(name, check, call.seconds)]
    if isinstance(call.error, NotStartedError):
        return [_not_started(name, call.error)]
    if call.error is not None:
        return [_raised(name, call.error)]
    return call.value or []


async def _within(answer: Awaitable[Any], timeout: float) -> _Outcome:
    task = asyncio.ensure_future(_outcome(answer))
    done, _ = await asyncio.wait({task}, timeout=timeout)
    # Nobody waits for a late check any more. Returning cancels it, and its thread ends.
    return task.result() if done else (None, _LateError())


async def _outcome(answer: Awaitable[Any]) -> _Outcome:
    # Returned as a value: a SystemExit raised within a task would stop the event loop around it.
    try:
        return await answer, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again outside of the loop
        return None, error


def _as_findings(name: str, answer: object) -> Findings:
    """Return the check's messages, and a critical message for anything else that it returned."""
    if _is_message(answer):
        return [answer]  # type: ignore[list-item]
    if isinstance(answer, (str, bytes, Mapping)) or not isinstance(answer, Iterable):
        return [_wrong_answer(name, answer)]
    findings: Findings = []
    for item in answer:
        findings.append(item if _is_message(item) else _wrong_answer(name, item))
    return findings


def _is_message(answer: object) -> bool:
    # Not by class: a library may still use python-dockerflow's own message classes.
    return (
        isinstance(getattr(answer, "level", None), int)
        and hasattr(answer, "msg")
        and hasattr(answer, "id")
    )


def _wrong_answer(name: str, answer: object) -> CheckMessage:
    return Critical(
        f"the check {name!r} must return a list of messages, not {type(answer).__name__}; "
        "return [] when all is well",
        id=health.CRITICAL_CHECK_RETURNED_NO_LIST,
    )


def _late(name: str, check: CheckFn, seconds: float) -> CheckMessage:
    message: CheckMessage | None = getattr(check, "late_message", None)
    if message is not None:
        return message
    return Critical(
        f"the check {name!r} has not returned for {seconds:.1f} seconds; give what it calls a "
        "timeout, or raise DOCKERFLOW_CHECK_TIMEOUT",
        id=health.CRITICAL_CHECK_TIMED_OUT,
    )


def _raised(name: str, error: BaseException) -> CheckMessage:
    # Only the class: everybody can read the heartbeat, and an exception's text may hold a password.
    return Critical(
        f"the check {name!r} raised {type(error).__name__}; the log has the traceback",
        obj=error,
        id=health.CRITICAL_CHECK_RAISED,
    )


def _not_started(name: str, error: NotStartedError) -> CheckMessage:
    return Critical(
        f"the check {name!r} could not be started: {error}",
        id=health.CRITICAL_CHECK_NOT_STARTED,
    )
