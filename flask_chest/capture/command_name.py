"""Finds the name of the running CLI command, and whether the command succeeded."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

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
