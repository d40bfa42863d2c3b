"""Gives commands the current app's state, its chests, and a reader of its records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask, current_app

from ..app.decorated_views import all_decorations
from ..app.state import AppState, find_state, standalone_state
from ..chests.base import Chest
from ..chests.chest_names import assign_unique_names
from ..chests.reader import Reader
from ..errors import ChestError
from ..extension import FlaskChest


def current_state() -> AppState:
    """Return the state of the current app, including the chests that decorators name.

    :raises click.ClickException: the app has no ``FlaskChest``, or recording is off.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    with click_errors():
        state = _state_of(app)
    if state is None:
        raise click.ClickException("recording is off: CHEST_ENABLED is False")
    state.overrides.attach_all_chests()
    return state


def _state_of(app: Flask) -> AppState | None:
    state = find_state(app)
    if state is not None or isinstance(app.extensions.get("chest"), FlaskChest):
        return state
    if any(decoration.chests for decoration in all_decorations(app)):
        return standalone_state(app)
    raise click.ClickException(f"the app {app.name!r} has no FlaskChest: call FlaskChest(app)")


def synchronous_chests(state: AppState) -> list[Chest]:
    """Return the chests that decorators write to within the request, without a buffer.

    They are not among ``state.chests``, since the app's delivery does not serve them.
    """
    found: list[Chest] = []
    for decoration in all_decorations(state.app):
        found += [
            chest for chest in decoration.chests if chest not in state.chests and chest not in found
        ]
    with click_errors():
        assign_unique_names(found, [chest.name for chest in state.chests])
    state.bind_chests(found)
    return found


def select_chests(name: str | None) -> list[Chest]:
    """Return the chest with a name, or all chests of the app if no name is given.

    :raises click.ClickException: no chest has that name.
    """
    state = current_state()
    every = [*state.chests, *synchronous_chests(state)]
    chests = [chest for chest in every if name in (None, chest.name)]
    if not chests:
        names = ", ".join(chest.name for chest in every)
        raise click.ClickException(f"there is no chest {name!r}; there are: {names}")
    return chests


@contextmanager
def open_reader(name: str | None = None) -> Iterator[Reader]:
    """Open a reader of the chest with a name, or of the first chest that can be read.

    Errors of the reader inside the ``with`` block end the command with a message.
    """
    state = current_state()
    with click_errors():
        chests = [*state.chests, *synchronous_chests(state)]
        reader = state.archives.first_reader(chests, name)
        try:
            yield reader
        finally:
            reader.close()


@contextmanager
def click_errors() -> Iterator[None]:
    """Turn errors of Flask-Chest into click's: a command prints them without a traceback."""
    try:
        yield
    except ChestError as error:
        raise click.ClickException(str(error)) from None
