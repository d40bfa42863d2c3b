"""Measures SQL statements by SQLAlchemy's own events, for all engines of the process.

The events of the dialect are used, which replace the call of the driver: those of connections cost
three microseconds for each statement before a listener does anything.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from ..capture.current_measurements import current_measurements


def attach() -> None:
    """Listen to every engine, also to those of async engines. Does nothing the second time."""
    if not _attached:
        for name in ("do_execute", "do_executemany", "do_execute_no_params"):
            listener = _make_listener(name)
            _attached.append(listener)
            event.listen(Engine, name, listener)


_attached: list[Callable[..., bool]] = []


def _make_listener(name: str) -> Callable[..., bool]:
    def listener(cursor: Any, statement: str, *parameters_and_context: Any) -> bool:
        measurements = current_measurements("sqlalchemy")
        if measurements is None:
            return False
        dialect = parameters_and_context[-1].dialect
        others = getattr(dialect.dispatch, name)
        began = perf_counter_ns()
        try:
            if len(others) == 1 or not _is_handled_by_later(
                others, listener, cursor, statement, *parameters_and_context
            ):
                getattr(dialect, name)(cursor, statement, *parameters_and_context)
        finally:
            measurements.add_statement(statement, dialect.name, perf_counter_ns() - began)
        return True

    return listener


def _is_handled_by_later(others: Any, own: Callable[..., bool], *arguments: Any) -> bool:
    """Ask the app's listeners behind our own, which SQLAlchemy does not call any more."""
    behind = False
    for each in others:
        if each is own:
            behind = True
        elif behind and each(*arguments):
            return True
    return False
