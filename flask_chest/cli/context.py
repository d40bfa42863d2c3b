"""What a command works with: the app's chest, and a reader of what it recorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask, current_app

from ..app.decorations import decorations
from ..app.state import AppState, find_state, standalone_state
from ..chests.base import Chest
from ..chests.registry import assign_unique_names
from ..errors import ChestError
from ..extension import FlaskChest
from ..query.reader import Reader, first_reader


def current_state() -> AppState:
    """Return the state of the current app, with the chests of all decorators.

    :raises click.ClickException: the app is not recorded.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    with told_errors():
        state = _state_of(app)
    if state is None:
        raise click.ClickException("recording is off: CHEST_ENABLED is False")
    state.attach_decorated_chests()
    return state


def _state_of(app: Flask) -> AppState | None:
    extension = app.extensions.get("chest")
    if isinstance(extension, FlaskChest):
        return find_state(app)
    if any(each.chests for each in decorations(app)):
        return standalone_state(app)
    raise click.ClickException(f"the app {app.name!r} has no FlaskChest: call FlaskChest(app)")


def chests_beside(state: AppState) -> list[Chest]:
    """Chests that decorators write to within the request: the app has no part in that."""
    found: list[Chest] = []
    for each in decorations(state.app):
        found += [one for one in each.chests if one not in state.chests and one not in found]
    with told_errors():
        assign_unique_names(found, [each.name for each in state.chests])
    state.bind_chests(found)
    return found


def chosen_chests(name: str | None) -> list[Chest]:
    """The chest of a name, or all that records of the app may be in.

    :raises click.ClickException: there is none of that name.
    """
    state = current_state()
    every = [*state.chests, *chests_beside(state)]
    chests = [each for each in every if name in (None, each.name)]
    if not chests:
        names = ", ".join(each.name for each in every)
        raise click.ClickException(f"there is no chest {name!r}; there are: {names}")
    return chests


@contextmanager
def reading(name: str | None = None) -> Iterator[Reader]:
    """A reader of a chest, or of the first that can be read; its errors end the command."""
    state = current_state()
    with told_errors():
        reader = first_reader([*state.chests, *chests_beside(state)], name)
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
