"""What the CLI command is called that runs, or has just ended, and whether it ended well."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

# Their command is ``worker``, whatever the job.
_RUN_JOBS = ("celery", "rq")


def command_name() -> str | None:
    """The name of the CLI command, e.g. ``import-products`` or ``users create``."""
    context = click.get_current_context(silent=True)
    if context is None or _program(context) in _RUN_JOBS:
        return None
    return " ".join(_names(context)) or None


def ended_well(error: BaseException | None) -> bool:
    """Whether an exception, or none, is how a command says that all went well."""
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
    if ended is not None and ended != "*":  # that stands for several, which run one after another
        names += _ended_names(context, ended)
    return names


def _ended_names(context: click.Context, name: str) -> Iterator[str]:
    """The names below a group whose command has ended.

    The ``flask`` program keeps the app context in its outermost group. That knows the first name
    only; which command of an inner group it was stands nowhere but on the command line.
    """
    yield name
    words = iter(sys.argv)
    group = context.command
    command = group.get_command(context, name) if isinstance(group, click.Group) else None
    if name not in words:  # a command that was not called from there; this also moves words on
        return
    while isinstance(command, click.Group):
        inner = next((word for word in words if word in command.commands), None)
        if inner is None:
            return
        yield inner
        command = command.commands[inner]
