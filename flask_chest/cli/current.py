"""What a command works with: the app's chest, and a reader of what it recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask, current_app

from ..app_chest import AppChest
from ..chests.base import Chest
from ..errors import ChestError
from ..extension import FlaskChest
from ..reading.reader import Reader, first_reader


def current_held() -> AppChest:
    """What is held for the current app.

    :raises click.ClickException: the app is not recorded.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    extension = app.extensions.get("chest")
    if not isinstance(extension, FlaskChest):
        raise click.ClickException(f"the app {app.name!r} has no FlaskChest: call FlaskChest(app)")
    try:
        return extension.of(app)
    except RuntimeError:
        raise click.ClickException("recording is off: CHEST_ENABLED is False") from None


def chosen_chests(name: str | None) -> list[Chest]:
    """The chest of a name, or all of them.

    :raises click.ClickException: there is none of that name.
    """
    held = current_held()
    chests = [each for each in held.chests if name in (None, each.name)]
    if not chests:
        names = ", ".join(each.name for each in held.chests)
        raise click.ClickException(f"there is no chest {name!r}; there are: {names}")
    return chests


@contextmanager
def reading(name: str | None = None) -> Iterator[Reader]:
    """A reader of a chest, or of the first that can be read; its errors end the command."""
    held = current_held()
    with told_errors():
        reader = first_reader(held.chests, name)
        try:
            yield reader
        finally:
            reader.close()


@contextmanager
def told_errors() -> Iterator[None]:
    """Our errors become what a command prints before it ends."""
    try:
        yield
    except ChestError as error:
        raise click.ClickException(str(error)) from None
