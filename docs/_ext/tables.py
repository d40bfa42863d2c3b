"""What the reference pages take from the code itself, as lines of reStructuredText."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import cleandoc

import click

from flask_chest.cli import chest
from flask_chest.config.settings import DEFAULT_REDACT, KEYS, Key


def config_keys() -> Iterator[str]:
    """Every ``CHEST_*`` key."""
    for key in KEYS.values():
        yield f".. confval:: {key.name}"
        yield f"   :default: {default_of(key)}"
        yield ""
        yield f"   {escape(key.meaning)}"
        yield ""


def default_of(key: Key) -> str:
    """A key's default as it would be written in Python."""
    return f"``{key.default!r}``"


def default_patterns() -> Iterator[str]:
    """The names that are redacted where the app names none."""
    yield ", ".join(f"``{pattern}``" for pattern in DEFAULT_REDACT)


def commands() -> Iterator[str]:
    """Every command of ``flask chest``, with its options."""
    yield from _group(chest, "flask chest")


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
    # As click has it before it shows it: else all paragraphs but the first were quotations.
    for line in cleandoc(command.help or "").splitlines():
        # Where click is told not to wrap, reStructuredText is told the same.
        yield f"   {escape(line)}" if line.strip() != "\b" else ""
    yield ""
    for parameter in command.params:
        told = parameter.get_help_record(context)
        # Arguments stand in the first line already; newer versions of click repeat them.
        if told is not None and told[1]:
            yield f"   ``{told[0]}``"
            yield f"      {escape(told[1])}"
            yield ""


def escape(text: str) -> str:
    """Plain words, none of which reStructuredText takes for markup."""
    return "".join(f"\\{each}" if each in r"\*`|_" else each for each in text)
