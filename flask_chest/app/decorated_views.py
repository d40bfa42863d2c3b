"""What ``@flask_chest`` sets for a view, and how to find all decorated views of an app."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from flask import Flask

from ..chests.base import Chest
from ..config.plan_compiler import Override
from ..config.rule_matching import Route

#: The attribute of a decorated view that holds its :class:`Decoration`.
_ATTRIBUTE = "__flask_chest__"


@dataclass(frozen=True, eq=False)  # compared by identity: a key of weak dictionaries
class Decoration:
    """The settings of one ``@flask_chest`` for one view.

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


class DecorationOverrides:
    """The overrides that the decorations of an app's views make in the app.

    :param app: the app.
    :param buffer: the app's ``CHEST_BUFFER``.
    :param attach: adds chests to the app's delivery and returns their names in the app.
    """

    def __init__(
        self, app: Flask, buffer: str, attach: Callable[[Sequence[Chest]], tuple[str, ...]]
    ) -> None:
        self._app = app
        self._buffer = buffer
        self._attach = attach
        self._known: WeakKeyDictionary[Decoration, Override] = WeakKeyDictionary()
        self._of_views: WeakSet[Decoration] = WeakSet()

    def attach_all_chests(self) -> None:
        """Attach the chests of all decorations, in the order of their views.

        The journal stores records under the chests' names. In the order of first requests, another
        process or the next start could give the same name to another chest.
        """
        for decoration in all_decorations(self._app):
            self._of_views.add(decoration)
            self._override(decoration)

    def applies(self, decoration: Decoration, route: Route) -> bool:
        """Return whether a decorated function that was called decides for the current request.

        A view may call other decorated views. Only the view that the route names decides. Another
        decorator without ``functools.wraps`` may hide its decoration.
        """
        found = self.find(route)
        if found is not None:
            return found is decoration
        if decoration not in self._known:
            self.attach_all_chests()
        return decoration not in self._of_views

    def find(self, route: Route) -> Decoration | None:
        """Return the decoration of a route's view, if any is visible."""
        if route.endpoint is None:
            return None
        return _decoration_for(self._app.view_functions.get(route.endpoint), route.method)

    def of(self, decoration: Decoration) -> Override:
        """Return what a decoration overrides, and attach its chests."""
        if decoration not in self._known:
            self.attach_all_chests()
        return self._override(decoration)

    def of_route(self, route: Route) -> Override | None:
        """Return what the decoration of a route's view overrides; ``None`` without one."""
        # All chests are attached before the first record, even before a record without a view:
        # attaching replaces the delivery, and a memory buffer's records would be lost with it.
        self.attach_all_chests()
        decoration = self.find(route)
        return None if decoration is None else self._override(decoration)

    def _override(self, decoration: Decoration) -> Override:
        override = self._known.get(decoration)
        if override is None:
            override = decoration.override
            if decoration.chests and not decoration.writes_at_once(self._buffer):
                override = replace(override, chests=self._attach(decoration.chests))
            self._known[decoration] = override
        return override


def decorate_view(view: object, decoration: Decoration) -> None:
    """Store a decoration on its view."""
    setattr(view, _ATTRIBUTE, decoration)


def all_decorations(app: Flask) -> Iterator[Decoration]:
    """Yield the decorations of all views, in the order in which the views were added.

    The methods of a ``MethodView`` may be decorated one by one.
    """
    for view in list(app.view_functions.values()):
        view_class = getattr(view, "view_class", None)
        methods = sorted(getattr(view_class, "methods", None) or ())
        names = ("dispatch_request", *(name.lower() for name in methods))
        for function in (view, *(getattr(view_class, name, None) for name in names)):
            decoration = _decoration_of(function)
            if decoration is not None:
                yield decoration


def _decoration_for(view: Any, method: str) -> Decoration | None:
    """Return the decoration that applies to one HTTP method of a view."""
    view_class = getattr(view, "view_class", None)
    if view_class is not None:
        function = getattr(view_class, method.lower(), None)
        if function is None and method == "HEAD":
            function = getattr(view_class, "get", None)
        for each in (function, getattr(view_class, "dispatch_request", None)):
            decoration = _decoration_of(each)
            if decoration is not None:
                return decoration
    return _decoration_of(view)


def _decoration_of(function: object) -> Decoration | None:
    decoration: Decoration | None = getattr(function, _ATTRIBUTE, None)
    return decoration
