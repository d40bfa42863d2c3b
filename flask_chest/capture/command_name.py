"""Finds the name of the running CLI command, and whether the command succeeded."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import click

_STARTED = "flask_chest.started"
# Programs whose command is ``worker`` for every job.
_RUN_JOBS = ("celery", "rq")


def command_name() -> str | None:
    """Return the name of the CLI command that runs or has just ended, if any.

    Example: ``import-products`` or ``users create``.
    """
    context = click.get_current_context(silent=True)
    if context is None or _program(context) in _RUN_JOBS:
        return None
    return " ".join(_names(context)) or None


def ended_well(error: BaseException | None) -> bool:
    """Return whether a command that ended with this exception, or with none, succeeded."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code == 0
    if isinstance(error, SystemExit):
        return not error.code
    return error is None


def exit_code(error: BaseException | None) -> int:
    """Return the exit code of a command that ends with this exception, or with none."""
    if isinstance(error, SystemExit):
        code = error.code
        return code if isinstance(code, int) else int(code is not None)
    code = getattr(error, "exit_code", None)  # of click's exceptions
    if isinstance(code, int):
        return code
    return 0 if error is None else 1


def note_start() -> None:
    """Note in the context of the running command, if any, that it begins."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta.setdefault(_STARTED, float(time.perf_counter()))


def command_duration_ms() -> float | None:
    """Return the milliseconds since :func:`note_start`; ``None`` without it."""
    context = click.get_current_context(silent=True)
    started: float | None = None if context is None else context.meta.get(_STARTED)
    if started is None:
        return None
    return round(max(float(time.perf_counter()) - started, 0.0) * 1000, 3)


def _program(context: click.Context) -> str:
    callback = context.find_root().command.callback
    return getattr(callback, "__module__", "").partition(".")[0]


def _names(context: click.Context) -> list[str]:
    names: list[str] = []
    outer: click.Context | None = context
    while outer is not None and outer.parent is not None:
        names.insert(0, outer.info_name or "")
        outer = outer.parent
    ended = context.invoked_subcommand
    if ended is not None and ended != "*":  # click's name for several commands in a row
        names += _ended_names(context, ended)
    return names


def _ended_names(context: click.Context, name: str) -> Iterator[str]:
    """Yield the names below a group whose command has ended.

    The ``flask`` program keeps the app context in its outermost group, which knows only the first
    name. Only the command line says which command of an inner group ran.
    """
    yield name
    words = iter(sys.argv)
    group = context.command
    command = group.get_command(context, name) if isinstance(group, click.Group) else None
    if name not in words:  # not called from the command line. ``in`` moves ``words`` forward
        return
    while isinstance(command, click.Group):
        inner = next((word for word in words if word in command.commands), None)
        if inner is None:
            return
        yield inner
        command = command.commands[inner]
