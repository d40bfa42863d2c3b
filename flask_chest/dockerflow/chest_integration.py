"""Where Dockerflow meets :class:`~flask_chest.FlaskChest`, in an app that has both.

Nothing else in this package knows of the chest, but for the check of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson
from flask import Flask

from ..app.state import AppState, get_state
from ..capture.request_state import current_request
from .logging import MozlogFormatter

if TYPE_CHECKING:
    from ..capture.recorder import Recorder

logger = logging.getLogger("dockerflow.flask")

# What of the version object tells one release from another.
_TAGS = ("version", "commit")

# A field of the summary's own, or what logging needs for itself, is not overwritten by a variable.
_TAKEN = MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS | {"msg", "error", "traceback"}


def keep_health_routes_silent(state: AppState) -> None:
    """Add a rule that keeps no records of the health routes, unless the app has its own rule."""
    mine = {"blueprint": "dockerflow", "record": False}
    for rule in state.plans.rules.all:
        # Of two rules for the blueprint the later one would win, and this one is always later.
        if rule.selectors.get("blueprint") == "dockerflow" and "record" in rule.options:
            return
    state.plans.add_rule(mine, "Dockerflow (default)")


class ChestIntegration:
    """What the two have to do with each other during one app's requests.

    :param version: gives the version object; asked once, with the first request.
    """

    def __init__(self, app: Flask, version: Callable[[], Any]) -> None:
        self._app = app
        self._version = version
        self._known: Recorder | None = None

    def request_id(self) -> str | None:
        """The id that the chest gave the request being served; ``None`` without a chest."""
        state = current_request.get()
        if state is None or state.recorder.app is not self._app:
            return None
        recorder = get_state(self._app).recorder
        if recorder is not self._known:
            self._known = recorder
            self._introduce(recorder)
        # A decorator may have its own idea of it: log lines come before its view has ended.
        return recorder.request_id_before_view(state)

    def add_variables(self, fields: dict[str, Any]) -> None:
        """Add the tracked variables of the request being served to its summary's fields.

        One whose name is taken goes by ``var_`` and its name. What has a structure is added as
        JSON text: mozlog knows none.
        """
        state, recorder = current_request.get(), self._known
        if state is None or recorder is None or state.recorder is not recorder:
            return
        for name, value in recorder.current_variables().items():
            key = f"var_{name}" if name in fields or name in _TAKEN else name
            structured = isinstance(value, (dict, list))
            fields[key] = orjson.dumps(value).decode() if structured else value

    def _introduce(self, recorder: Recorder) -> None:
        # The record has a field for it; as a variable it would be there twice.
        recorder.skip_unless_named("request_id")
        try:
            version = self._version()
        except Exception as error:  # noqa: BLE001 - a callback of the app's may raise anything
            logger.warning("records have no version as a tag: %s", error)
            return
        if isinstance(version, Mapping):
            found = {name: version.get(name) for name in _TAGS}
            recorder.add_tags({k: v for k, v in found.items() if isinstance(v, str) and v})
