"""Records requests that bypass the middleware, by Flask's signals alone.

Code that saved a reference to ``app.wsgi_app`` before ``FlaskChest(app)`` wrapped it bypasses the
middleware. Connexion's ``FlaskApp`` saves it when it creates the app:
https://github.com/spec-first/connexion/blob/3.3.0/connexion/apps/flask.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from flask.signals import request_started

from .request_recorder import Recorder
from .request_state import ENVIRON_KEY, NO_FIELDS, RequestState, current_request

if TYPE_CHECKING:
    from flask.wrappers import Response


class SignalFallback:
    """Watches one app's requests, from the first one on that bypasses the middleware.

    :param recorder: the recorder of the app.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._watching = False

    def on_response(self, response: Response) -> None:
        """Save the response to such a request."""

        def save(state: RequestState) -> None:
            state.response = response
            state.status = response.status_code
            if state.echo_request_id:
                name = self._recorder.request_id_header
                response.headers.setdefault(name, state.request_id)

        self._update(save)

    def on_exception(self, error: BaseException) -> None:
        """Save an exception that the app does not handle in such a request."""

        def save(state: RequestState) -> None:
            if any(kind.__module__ == "starlette.exceptions" for kind in type(error).__mro__):
                # Connexion turns the exceptions of abort() into these, and answers them itself.
                state.status = getattr(error, "status_code", None)
            else:
                state.error = error

        self._update(save)

    def _update(self, save: Callable[[RequestState], None]) -> None:
        try:
            state = self._state()
            self._recorder.snapshot_request(state)
            save(state)
            if not self._watching:
                self._watch()
                state.start_unknown = True
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            self._recorder.log_failure("read a request that bypassed the middleware")

    def _state(self) -> RequestState:
        environ = request.environ
        state: RequestState | None = environ.get(ENVIRON_KEY)
        if state is None or state.recorder is not self._recorder:
            state = environ[ENVIRON_KEY] = RequestState(self._recorder, environ, _no_response)
        return state

    def _watch(self) -> None:
        # Not before such a request was seen: other apps do not need these receivers, and each
        # receiver costs time.
        self._watching = True
        app = self._recorder.app
        request_started.connect(self._begin, app)
        # Flask calls the first one last, after others that may put values on g.
        app.teardown_request_funcs.setdefault(None, []).insert(0, self._end)

    def _begin(self, sender: Flask, **_: Any) -> None:
        state = current_request.get()
        if state is None or state.recorder is not self._recorder:
            try:
                self._state()
            except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
                self._recorder.log_failure("begin a record")

    def _end(self, error: BaseException | None) -> None:
        state = request.environ.get(ENVIRON_KEY)
        if state is None or state.recorder is not self._recorder:
            return
        if error is not None and state.g is None:
            # Flask sends no other signal for SystemExit and similar exceptions.
            state.error = error
            self._recorder.snapshot_request(state)
        unknown = {"duration_ms": None} if state.start_unknown else NO_FIELDS
        self._recorder.finish(state, unknown)


def _no_response(*_: Any) -> Any:
    raise AssertionError("a request that is recorded by signals alone starts no response")
