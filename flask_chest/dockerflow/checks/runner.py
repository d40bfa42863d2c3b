"""Checks run side by side, each in a thread of its own, none longer than it may."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, TypeAlias, TypeVar

from .. import health
from ..request_id import request_id_context
from .messages import CheckMessage, Critical
from .registry import CheckFn

#: Seconds that one check may take, where nobody says otherwise.
DEFAULT_TIMEOUT = 5.0

Findings = list[CheckMessage]
_Outcome: TypeAlias = tuple[Any, BaseException | None]
Context = Callable[[], AbstractContextManager[Any]]
_Check = TypeVar("_Check", bound=CheckFn)


def when_late(message: CheckMessage) -> Callable[[_Check], _Check]:
    """Say what it means when a check has not returned in time; without it that is critical."""

    def mark(check: _Check) -> _Check:
        check.late_message = message  # type: ignore[attr-defined]  # survives functools.wraps
        return check

    return mark


class _LateError(Exception):
    """An ``async def`` check was not done in time."""


class Run:
    """One call of one check.

    :param context: entered around the call, in the check's thread.
    :param timeout: seconds after which an ``async def`` check is cancelled.
    """

    def __init__(self, name: str, check: CheckFn, context: Context, timeout: float) -> None:
        self.name = name
        self.check = check
        self.timeout = timeout
        self.started = monotonic()
        self.done = threading.Event()
        self._context = context
        self._findings: Findings = []
        self._request_id = request_id_context.get()

    def start(self) -> None:
        """Begin. A daemon thread: a check that hangs must not keep the process from ending."""
        thread = threading.Thread(target=self._work, name=f"dockerflow {self.name}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter is going down
            self._findings = [_not_started(self.name, error)]
            self.done.set()

    def findings(self) -> Findings:
        """What the check found, or that it has not returned yet."""
        return self._findings if self.done.is_set() else [self._late()]

    def _work(self) -> None:
        # A context variable does not cross into a thread; the check's log lines want the id.
        request_id_context.set(self._request_id)
        try:
            with self._context():
                self._findings = _as_findings(self.name, self._call())
        except _LateError:
            self._findings = [self._late()]
        except BaseException as error:  # noqa: BLE001 - SystemExit and the like are findings too
            self._findings = [_raised(self.name, error)]
        finally:
            self.done.set()

    def _call(self) -> Any:
        answer = self.check()
        if not inspect.isawaitable(answer):
            return answer
        answer, error = asyncio.run(_within(answer, self.timeout))
        if error is not None:
            raise error
        return answer

    def _late(self) -> CheckMessage:
        message: CheckMessage | None = getattr(self.check, "late_message", None)
        if message is not None:
            return message
        return Critical(
            f"the check {self.name!r} has not returned for {monotonic() - self.started:.1f} "
            "seconds; give what it calls a timeout, or raise DOCKERFLOW_CHECK_TIMEOUT",
            id=health.CRITICAL_CHECK_TIMED_OUT,
        )


class Runner:
    """Runs checks for one app. Used by one thread at a time."""

    def __init__(self) -> None:
        self._hanging: dict[str, Run] = {}

    def run(
        self,
        checks: Iterable[tuple[str, CheckFn]],
        timeout: float = DEFAULT_TIMEOUT,
        context: Context = contextlib.nullcontext,
    ) -> Mapping[str, Findings]:
        """Run all checks at once; return within ``timeout`` seconds.

        A check of an earlier call that still hangs is not started again: a thread for every
        heartbeat would fill the process.
        """
        runs = [self._start(name, check, context, timeout) for name, check in checks]
        deadline = monotonic() + timeout
        for run in runs:
            if run.name not in self._hanging:
                run.done.wait(max(0.0, deadline - monotonic()))
        self._hanging = {run.name: run for run in runs if not run.done.is_set()}
        return {run.name: run.findings() for run in runs}

    def _start(self, name: str, check: CheckFn, context: Context, timeout: float) -> Run:
        earlier = self._hanging.get(name)
        if earlier is not None and earlier.check == check and not earlier.done.is_set():
            return earlier
        self._hanging.pop(name, None)
        run = Run(name, check, context, timeout)
        run.start()
        return run


async def _within(answer: Awaitable[Any], timeout: float) -> _Outcome:
    task = asyncio.ensure_future(_outcome(answer))
    done, _ = await asyncio.wait({task}, timeout=timeout)
    # Nobody waits for a late one any more; leaving cancels it, and the thread comes free.
    return task.result() if done else (None, _LateError())


async def _outcome(answer: Awaitable[Any]) -> _Outcome:
    # Handed on as a value: a SystemExit within a task would tear down the loop around it.
    try:
        return await answer, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - raised again outside of the loop
        return None, error


def _as_findings(name: str, answer: object) -> Findings:
    """The messages that a check returned, or that it returned something else."""
    if _is_message(answer):
        return [answer]  # type: ignore[list-item]
    if isinstance(answer, (str, bytes, Mapping)) or not isinstance(answer, Iterable):
        return [_wrong_answer(name, answer)]
    findings: Findings = []
    for item in answer:
        findings.append(item if _is_message(item) else _wrong_answer(name, item))
    return findings


def _is_message(answer: object) -> bool:
    # By its looks: a library may still use python-dockerflow's own message classes.
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


def _raised(name: str, error: BaseException) -> CheckMessage:
    # The class only: the heartbeat is open to all, and an exception's text may hold a password.
    return Critical(
        f"the check {name!r} raised {type(error).__name__}; the log has the traceback",
        obj=error,
        id=health.CRITICAL_CHECK_RAISED,
    )


def _not_started(name: str, error: RuntimeError) -> CheckMessage:
    return Critical(
        f"the check {name!r} could not be started: {error}",
        id=health.CRITICAL_CHECK_NOT_STARTED,
    )
