"""Requests that do not come through the middleware: they are recorded by Flask's signals alone.

Who took ``app.wsgi_app`` before ``FlaskChest(app)`` wrapped it goes on calling what it was.
Connexion's ``FlaskApp`` does, and takes it when it makes the app:
https://github.com/spec-first/connexion/blob/3.3.0/connexion/apps/flask.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, request
from flask.signals import request_started

from .request_state import STATE, RequestState, current_request

if TYPE_CHECKING:
    from flask.wrappers import Response

    from .recorder import Recorder


class SignalFallback:
    """Watches one app's requests from the first on that did not come through the middleware.

    :param recorder: makes the records.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._watching = False

    def answered(self, response: Response) -> None:
        """Such a request has its response."""

        def take(state: RequestState) -> None:
            state.response = response
            state.status = response.status_code
            if state.echoed:
                name = self._recorder.request_id_header
                response.headers.setdefault(name, state.request_id)

        self._take(take)

    def failed(self, error: BaseException) -> None:
        """Such a request has raised what the app does not answer."""

        def take(state: RequestState) -> None:
            if any(kind.__module__ == "starlette.exceptions" for kind in type(error).__mro__):
                # Connexion makes these of what abort() raises, and answers them itself.
                state.status = getattr(error, "status_code", None)
            else:
                state.error = error

        self._take(take)

    def _take(self, take: Callable[[RequestState], None]) -> None:
        try:
            state = self._state()
            self._recorder.look_around(state)
            take(state)
            if not self._watching:
                self._watch()
                state.began_before = True
        except Exception:  # noqa: BLE001 - a request never fails because of us
            self._recorder.trouble("look at a request that came past the middleware")

    def _state(self) -> RequestState:
        environ = request.environ
        state: RequestState | None = environ.get(STATE)
        if state is None or state.recorder is not self._recorder:
            state = environ[STATE] = RequestState(self._recorder, environ, _no_response)
        return state

    def _watch(self) -> None:
        # Only now: other apps need none of this, and each receiver takes its time.
        self._watching = True
        app = self._recorder.app
        request_started.connect(self._begin, app)
        # The first is called last: all others may put things on g.
        app.teardown_request_funcs.setdefault(None, []).insert(0, self._end)

    def _begin(self, sender: Flask, **_: Any) -> None:
        state = current_request.get()
        if state is None or state.recorder is not self._recorder:
            try:
                self._state()
            except Exception:  # noqa: BLE001 - a request never fails because of us
                self._recorder.trouble("begin a record")

    def _end(self, _: BaseException | None) -> None:
        state = request.environ.get(STATE)
        if state is not None and state.recorder is self._recorder:
            self._recorder.finish(state, {"duration_ms": None} if state.began_before else {})


def _no_response(*_: Any) -> Any:
    raise AssertionError("a request that is recorded by signals alone starts no response")
