"""Measures SQL statements by SQLAlchemy's own events, for all engines of the process."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from ..capture.current_measurements import current_measurements

_STARTED = "_chest_started"


def attach() -> None:
    """Listen to every engine, also to those of async engines. Does nothing the second time."""
    if not event.contains(Engine, "before_cursor_execute", _before):
        event.listen(Engine, "before_cursor_execute", _before)
        event.listen(Engine, "after_cursor_execute", _after)
        event.listen(Engine, "handle_error", _on_error)


def _before(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> None:
    measurements = current_measurements("sqlalchemy")
    if measurements is not None and context is not None:
        # The context belongs to one execution; SQLAlchemy drops both together.
        context._chest_started = (measurements, perf_counter_ns())


def _after(
    connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
) -> None:
    started = getattr(context, _STARTED, None)
    if started is not None:
        measurements, began = started
        spent = perf_counter_ns() - began
        measurements.add_statement(statement, connection.dialect.name, spent)


def _on_error(failure: Any) -> None:
    started = getattr(failure.execution_context, _STARTED, None)
    if started is not None and failure.statement is not None:
        measurements, began = started
        spent = perf_counter_ns() - began
        measurements.add_statement(failure.statement, failure.dialect.name, spent)
