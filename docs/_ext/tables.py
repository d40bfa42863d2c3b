"""Tables of the reference pages, generated from the code as lines of reStructuredText."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import click

from flask_chest.cli import chest
from flask_chest.cli.standalone import main
from flask_chest.config.default_redaction import DEFAULT_REDACT
from flask_chest.config.setting_keys import KEYS, Key


def config_keys() -> Iterator[str]:
    """List every ``CHEST_*`` key with its default and meaning."""
    for key in KEYS.values():
        yield f".. confval:: {key.name}"
        yield f"   :default: {default_of(key)}"
        yield ""
        yield f"   {escape(key.meaning)}"
        yield ""


def default_of(key: Key) -> str:
    """Return a key's default as a Python literal."""
    return f"``{key.default!r}``"


def default_patterns() -> Iterator[str]:
    """List the default patterns of ``CHEST_REDACT``."""
    yield ", ".join(f"``{pattern}``" for pattern in DEFAULT_REDACT)


def commands() -> Iterator[str]:
    """List every command of ``flask chest`` with its options."""
    yield from _group(chest, "flask chest")


def standalone_commands() -> Iterator[str]:
    """List the commands that only ``flask-chest`` has, with their options."""
    for name, command in sorted(main.commands.items()):
        if name not in chest.commands:
            yield from _command(command, f"flask-chest --chest URL {name}")


def _group(group: click.Group, called: str) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        words = f"{called} {name}"
        if isinstance(command, click.Group):
            yield from _group(command, words)
        else:
            yield from _command(command, words)


def _command(command: click.Command, words: str) -> Iterator[str]:
    context = click.Context(command)
    arguments = [part for part in command.collect_usage_pieces(context) if part != "[OPTIONS]"]
    yield f".. describe:: {' '.join([words, *arguments])}"
    yield ""
    # Docstrings indent all lines but the first, which would turn them into block quotes.
    for line in cleandoc(command.help or "").splitlines():
        # Click's marker for a paragraph that must not be wrapped.
        yield f"   {escape(line)}" if line.strip() != "\b" else ""
    yield ""
    for parameter in command.params:
        help_record = parameter.get_help_record(context)
        # The usage line already has the arguments; newer versions of click repeat them.
        if help_record is not None and help_record[1]:
            yield f"   ``{help_record[0]}``"
            yield f"      {escape(help_record[1])}"
            yield ""


def escape(text: str) -> str:
    """Escape all characters that are markup in reStructuredText."""
    return "".join(f"\\{each}" if each in r"\*`|_" else each for each in text)
