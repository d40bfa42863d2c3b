"""Reads what lies on ``flask.g``, and remembers which ``g`` objects a record already covers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import ref


def tracked_namespace(g: Any) -> Mapping[str, object]:
    """Return the variables on a ``g``. ``dir()`` would return the names of its methods too."""
    try:
        values: Mapping[str, object] = g.__dict__
    except AttributeError:  # the app_ctx_globals_class is the app's own and has no __dict__
        return {} if g is None else {name: g.get(name) for name in g}
    # The app_ctx_globals_class may also be a dict itself.
    return values if values or not isinstance(g, dict) else g


class RecordedGlobals:
    """The ``g`` objects whose values a request's record already has.

    Some outlive their request: a test client keeps contexts, and a request can be served within
    another context, whose ``g`` it shares. The job of that context records later values only.
    """

    def __init__(self) -> None:
        # By id: an app_ctx_globals_class may be a dict, which has no hash.
        self._by_id: dict[int, tuple[ref[Any], Mapping[str, object] | None]] = {}

    def add(self, g: Any, *, shared: bool = False) -> None:
        """Remember a ``g`` for as long as it exists.

        :param shared: whether the request has used the ``g`` of another context.
        """
        key = id(g)
        values = dict(tracked_namespace(g)) if shared else None
        with suppress(TypeError):  # its class does not support weak references
            self._by_id[key] = ref(g, lambda _: self._by_id.pop(key, None)), values

    def unrecorded(self, g: Any) -> Mapping[str, object]:
        """Return the variables on a ``g`` that belong to no request's record."""
        values = tracked_namespace(g)
        found = self._by_id.get(id(g))
        if not values or found is None or found[0]() is not g:
            return values
        recorded = found[1]
        if recorded is None:
            return {}
        return {
            name: value
            for name, value in dict(values).items()
            if name not in recorded or recorded[name] is not value
        }
