"""Registers checks by name, for one app or for the whole process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, overload

from flask import current_app, has_app_context

#: A check: called without arguments, plain or ``async``, returns a list of messages. The type is
#: ``Any`` because a wrong return value is reported as a critical message.
CheckFn: TypeAlias = Callable[..., Any]

_Check = TypeVar("_Check", bound=CheckFn)


class Registry:
    """Checks by name, in the order of registration; a later check replaces one of the same name."""

    def __init__(self) -> None:
        self.checks: dict[str, CheckFn] = {}

    def add(self, check: CheckFn, name: str | None = None) -> None:
        """Register a check.

        :param name: the check's name in the heartbeat; default: the function's name.
        :raises TypeError: the check is not callable, or has no name.
        """
        if not callable(check):
            raise TypeError(f"a check must be callable, not {type(check).__name__}: {check!r}")
        name = name or getattr(check, "__name__", None)
        if name is None:
            raise TypeError(f"the check {check!r} has no name of its own; pass name='...'")
        self.checks[name] = check

    def add_partial(self, check: CheckFn, *arguments: Any, name: str | None = None) -> CheckFn:
        """Register a check that is called with ``arguments``; return the bound check."""
        bound = functools.wraps(check)(functools.partial(check, *arguments))
        self.add(bound, name)
        return bound


# Every app of the process runs these checks; they come from modules that have no Dockerflow object.
_shared = Registry()


@overload
def register(func: _Check, name: str | None = None) -> _Check: ...


@overload
def register(func: None = None, name: str | None = None) -> Callable[[_Check], _Check]: ...


def register(
    func: _Check | None = None, name: str | None = None
) -> _Check | Callable[[_Check], _Check]:
    """Register a check for every app of the process; for one app use ``@dockerflow.check``.

    :param func: the check; without it, ``register`` returns a decorator.
    :param name: the check's name in the heartbeat; default: the function's name.
    :raises TypeError: ``func`` is not callable, or has no name.

    .. versionadded:: 1.0
    """
    return add_or_decorate(_shared, func, name)


def register_partial(func: CheckFn, *args: Any, name: str | None = None) -> CheckFn:
    """Register a check that is called with ``args``, e.g. ``check_redis_connected, client``.

    .. versionadded:: 1.0
    """
    return _shared.add_partial(func, *args, name=name)


def get_checks() -> dict[str, CheckFn]:
    """Return the checks of the process by name; in an app context, also those of its Dockerflow.

    .. versionadded:: 1.0
    """
    if not has_app_context():
        return dict(_shared.checks)
    dockerflow = current_app.extensions.get("dockerflow")
    return _shared.checks | dict(getattr(dockerflow, "checks", {}))


def shared_checks() -> dict[str, CheckFn]:
    """Return the checks that every app of the process runs."""
    return _shared.checks


def clear_checks() -> None:
    """Remove the checks of the process; those of a ``Dockerflow`` stay.

    .. versionadded:: 1.0
    """
    _shared.checks.clear()


def add_or_decorate(
    registry: Registry, func: _Check | None, name: str | None
) -> _Check | Callable[[_Check], _Check]:
    """Register ``func``, or return a decorator if the caller used parentheses."""

    def add(check: _Check) -> _Check:
        registry.add(check, name)
        return check

    return add if func is None else add(func)
