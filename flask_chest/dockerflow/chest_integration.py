"""Connects Dockerflow with :class:`~flask_chest.FlaskChest`, in an app that has both.

Only this file and ``chest_check.py`` know of FlaskChest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import Flask

from ..app.state import AppState, get_state
from ..capture.request_recorder import Recorder
from ..capture.request_state import current_request
from .logging import MozlogFormatter

logger = logging.getLogger("dockerflow.flask")

# The keys of the version object that identify a release.
_TAGS = ("version", "commit")

# A variable must not overwrite the summary's own fields or logging's attributes.
_RESERVED_FIELDS = MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS | {"msg", "error", "traceback"}


def keep_health_routes_silent(state: AppState) -> None:
    """Add a rule that keeps no records of the health routes, unless the app has its own rule."""
    rule_options = {"blueprint": "dockerflow", "record": False}
    for rule in state.plans.rules.all:
        # This rule would override the app's rule, because it is added later.
        if rule.selectors.get("blueprint") == "dockerflow" and "record" in rule.options:
            return
    state.plans.add_rule(rule_options, "Dockerflow (default)")


class ChestIntegration:
    """Shares request ids, tracked variables and the version between the two, for one app.

    :param version: returns the version object; called once, during the first request.
    """

    def __init__(self, app: Flask, version: Callable[[], Any]) -> None:
        self._app = app
        self._version = version
        self._connected_recorder: Recorder | None = None

    def request_id(self) -> str | None:
        """Return the id that FlaskChest gave the current request; ``None`` without FlaskChest."""
        state = current_request.get()
        if state is None or state.recorder.app is not self._app:
            return None
        recorder = get_state(self._app).recorder
        if recorder is not self._connected_recorder:
            self._connected_recorder = recorder
            self._connect(recorder)
        # Not a decorator's id, which is known only after its view: log lines come earlier.
        return recorder.request_id_before_view(state)

    def add_variables(self, fields: dict[str, Any]) -> None:
        """Add the current request's tracked variables to the fields of its summary.

        If a field of the same name exists, the variable's field is called ``var_<name>``. Lists and
        dicts are added as JSON text, because mozlog's fields have no structure.
        """
        state, recorder = current_request.get(), self._connected_recorder
        if state is None or recorder is None or state.recorder is not recorder:
            return
        for name, value in recorder.current_variables().items():
            key = f"var_{name}" if name in fields or name in _RESERVED_FIELDS else name
            is_structured = isinstance(value, (dict, list))
            fields[key] = orjson.dumps(value).decode() if is_structured else value

    def _connect(self, recorder: Recorder) -> None:
        # The record has a field for the request id; a variable would repeat it.
        recorder.skip_unless_named("request_id")
        try:
            version = self._version()
        except Exception as error:  # noqa: BLE001 - the app's callback may raise anything
            logger.warning("records get no version tag: %s", error)
            return
        if isinstance(version, Mapping):
            found = {name: version.get(name) for name in _TAGS}
            recorder.add_tags({k: v for k, v in found.items() if isinstance(v, str) and v})
