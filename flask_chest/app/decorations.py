"""What ``@flask_chest`` sets for a view, and how to find all decorated views of an app."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask

from ..chests.base import Chest
from ..config.plan import Override

#: The attribute of a decorated view that holds its :class:`Decoration`.
_ATTRIBUTE = "__flask_chest__"


@dataclass(frozen=True, eq=False)  # compared by identity: a key of weak dictionaries
class Decoration:
    """What one ``@flask_chest`` sets for its view.

    :param chests: the view's own chests; empty if its records go to the app's chests.
    :param override: the tracked variables and the request id generator.
    :param raise_exceptions: whether a failed write to ``chests`` becomes the response's error.
    """

    chests: tuple[Chest, ...]
    override: Override
    raise_exceptions: bool

    def writes_at_once(self, buffer: str) -> bool:
        """Return whether the record is written as soon as the view has returned.

        :param buffer: the app's ``CHEST_BUFFER``; with ``"none"`` nothing runs in the background.
        """
        return bool(self.chests) and (self.raise_exceptions or buffer == "none")


def decorate_view(view: object, decoration: Decoration) -> None:
    """Store a decoration on its view."""
    setattr(view, _ATTRIBUTE, decoration)


def endpoint_decoration(app: Flask, endpoint: str) -> Decoration | None:
    """Return the decoration of an endpoint's view; ``None`` if the view is not decorated."""
    return _decoration_of(app.view_functions.get(endpoint))


def all_decorations(app: Flask) -> Iterator[Decoration]:
    """Yield the decorations of all views, in the order in which the views were added.

    The methods of a ``MethodView`` may be decorated one by one.
    """
    for view in list(app.view_functions.values()):
        view_class = getattr(view, "view_class", None)
        methods = sorted(getattr(view_class, "methods", None) or ())
        for function in (view, *(getattr(view_class, name.lower(), None) for name in methods)):
            decoration = _decoration_of(function)
            if decoration is not None:
                yield decoration


def _decoration_of(function: object) -> Decoration | None:
    decoration: Decoration | None = getattr(function, _ATTRIBUTE, None)
    return decoration
