"""Which checks there are, by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, overload

from flask import current_app, has_app_context

#: A check: called without arguments, plain or ``async``, returns a list of messages. The ``Any``
#: is honest: a wrong answer is a finding, not a crash.
CheckFn: TypeAlias = Callable[..., Any]

_Check = TypeVar("_Check", bound=CheckFn)


class Registry:
    """Checks by name, in the order of registration; a later check of the same name replaces it."""

    def __init__(self) -> None:
        self.checks: dict[str, CheckFn] = {}

    def add(self, check: CheckFn, name: str | None = None) -> None:
        """Take a check.

        :param name: how the heartbeat calls it; default: the function's name.
        :raises TypeError: it cannot be called, or has no name of its own and was given none.
        """
        if not callable(check):
            raise TypeError(f"a check must be callable, not {type(check).__name__}: {check!r}")
        name = name or getattr(check, "__name__", None)
        if name is None:
            raise TypeError(f"the check {check!r} has no name of its own; pass name='...'")
        self.checks[name] = check

    def add_partial(self, check: CheckFn, *arguments: Any, name: str | None = None) -> CheckFn:
        """Take a check that is to be called with ``arguments``; return the bound check."""
        bound = functools.wraps(check)(functools.partial(check, *arguments))
        self.add(bound, name)
        return bound


# The registry of the process, for checks in modules that know no Dockerflow. Every app runs these.
_shared = Registry()


@overload
def register(func: _Check, name: str | None = None) -> _Check: ...


@overload
def register(func: None = None, name: str | None = None) -> Callable[[_Check], _Check]: ...


def register(
    func: _Check | None = None, name: str | None = None
) -> _Check | Callable[[_Check], _Check]:
    """Register a check for every app of the process; for one app use ``@dockerflow.check``.

    :param func: the check; without it, a decorator is returned.
    :param name: how the heartbeat calls it; default: the function's name.
    :raises TypeError: it cannot be called, or has no name.

    .. versionadded:: 1.0
    """
    return add_or_decorate(_shared, func, name)


def register_partial(func: CheckFn, *args: Any, name: str | None = None) -> CheckFn:
    """Register a check that is called with ``args``, e.g. ``check_redis_connected, client``.

    .. versionadded:: 1.0
    """
    return _shared.add_partial(func, *args, name=name)


def get_checks() -> dict[str, CheckFn]:
    """The checks of the process, by name; in an app context with those of that app's Dockerflow.

    .. versionadded:: 1.0
    """
    if not has_app_context():
        return dict(_shared.checks)
    dockerflow = current_app.extensions.get("dockerflow")
    return _shared.checks | dict(getattr(dockerflow, "checks", {}))


def shared_checks() -> dict[str, CheckFn]:
    """The checks that every app of the process runs."""
    return _shared.checks


def clear_checks() -> None:
    """Forget the checks of the process; those of a ``Dockerflow`` stay.

    .. versionadded:: 1.0
    """
    _shared.checks.clear()


def add_or_decorate(
    registry: Registry, func: _Check | None, name: str | None
) -> _Check | Callable[[_Check], _Check]:
    """Serve both spellings of a registering decorator, with and without parentheses."""

    def add(check: _Check) -> _Check:
        registry.add(check, name)
        return check

    return add if func is None else add(func)
