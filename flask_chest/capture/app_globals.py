"""Reads what lies on ``flask.g``, and remembers which ``g`` objects a record already covers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary


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
    another context. Such a ``g`` must not leave the record of a job as well.
    """

    def __init__(self) -> None:
        # By id: an app_ctx_globals_class may be a dict, which has no hash.
        self._by_id: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def add(self, g: Any) -> None:
        """Remember a ``g`` for as long as it exists."""
        with suppress(TypeError):  # its class does not support weak references
            self._by_id[id(g)] = g

    def __contains__(self, g: object) -> bool:
        return self._by_id.get(id(g)) is g
