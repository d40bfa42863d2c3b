"""The decorated views of an app, found without a request to any of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from flask import Flask

from ..chests.base import Chest
from ..config.plan import Override

if TYPE_CHECKING:
    from .state import AppState

#: Where a decorated view carries what its decorator said.
OVERRIDE = "__flask_chest__"


class Decoration(Protocol):
    """What one decorator says."""

    @property
    def chests(self) -> tuple[Chest, ...]:
        """Its own chests; none where its view's records go to the app's."""

    def attach_to(self, state: AppState) -> Override:
        """Have an app deliver to its chests, where they are not written to at once.

        :returns: what it overrides there.
        """


def decoration_of(app: Flask, endpoint: str) -> Decoration | None:
    """What was said of the view of an endpoint, as a whole."""
    return getattr(app.view_functions.get(endpoint), OVERRIDE, None)


def decorations(app: Flask) -> Iterator[Decoration]:
    """What was said of all views, in the order in which they were added."""
    for view in list(app.view_functions.values()):
        yield from _carried_by(view)
        kind = getattr(view, "view_class", None)  # a MethodView, whose methods may be decorated
        for name in sorted(getattr(kind, "methods", None) or ()):
            yield from _carried_by(getattr(kind, name.lower(), None))


def _carried_by(function: object) -> Iterator[Decoration]:
    found: Decoration | None = getattr(function, OVERRIDE, None)
    if found is not None:
        yield found
