"""Requests that end with an exception: which of them leave a record, and with which status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .request_state import ENVIRON_KEY, NO_FIELDS, RequestState, current_request


def finish_failed_request(state: RequestState, more: Mapping[str, Any] = NO_FIELDS) -> None:
    """Write the record of a request that an exception ended; the caller raises that exception.

    :param more: further fields of the record.
    """
    outer = current_request.get()
    if outer is not None and outer.environ is state.environ:
        # An outer app mounts this one. It did not serve the request itself, unless it catches the
        # exception.
        outer.inner_error = state.error
    try:
        state.recorder.finish(state, more)
    except Exception:  # noqa: BLE001 - it must not replace the app's own exception
        state.recorder.log_failure("write the record of a failed request")


def finish_raised_request(state: RequestState, error: BaseException) -> None:
    """Write the record of a request whose WSGI application raised an exception."""
    try:
        if _is_websocket_end(error, state):
            state.status = 101
        else:
            state.recorded = state.recorded or _is_recorded_elsewhere(error, state)
            state.error = error
            # The application may have started a response before, but the server did not send it.
            state.status = state.response = None
    except Exception:  # noqa: BLE001 - it must not replace the app's own exception
        state.recorder.log_failure("look at a failed request")
    finish_failed_request(state)


def _is_websocket_end(error: BaseException, state: RequestState) -> bool:
    """Return whether an exception only says that a WebSocket used the connection.

    Flask-Sock and Flask-SocketIO raise it for gunicorn and Werkzeug's server:
    https://github.com/miguelgrinberg/python-engineio/blob/v4.15.1/src/engineio/async_drivers/_websocket_wsgi.py
    """
    if state.error is not None or not isinstance(error, (StopIteration, ConnectionError)):
        return False  # an ordinary view raised it
    return str(state.environ.get("HTTP_UPGRADE")).lower() == "websocket"


def _is_recorded_elsewhere(error: BaseException, state: RequestState) -> bool:
    """Return whether another state of the same request has made its record."""
    # A middleware has run the app in another thread.
    fallback: RequestState | None = state.environ.get(ENVIRON_KEY)
    if fallback is not None and fallback.recorder is state.recorder and fallback.recorded:
        return True
    inner = state.inner_error
    # An outer app mounts an inner one, whose exception passes through.
    return inner is not None and any(
        inner is each for each in (error, error.__cause__, error.__context__)
    )
