"""WSGI middleware: begins each request, and writes its record before the response is sent."""

from __future__ import annotations

from collections.abc import Iterable
from types import GeneratorType
from typing import TYPE_CHECKING

from .request_state import RequestRecorder, RequestState, current_request, finish_failed_request
from .streaming import StreamedBody, close_body, is_streamed

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class ChestMiddleware:
    """A WSGI middleware around an app's ``wsgi_app``.

    :param wsgi_app: the WSGI application to wrap.
    :param recorder: the recorder of the app.
    """

    def __init__(self, wsgi_app: WSGIApplication, recorder: RequestRecorder) -> None:
        self.wsgi_app = wsgi_app
        self._recorder = recorder

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        recorder = self._recorder
        try:
            state = RequestState(recorder, environ, start_response)
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            recorder.log_failure("begin a record")
            return self.wsgi_app(environ, start_response)
        token = current_request.set(state)
        try:
            body = self.wsgi_app(environ, state.start_response)
        except BaseException as error:
            current_request.reset(token)
            if _is_websocket_end(error, environ):
                state.status = 101
            else:
                state.error = error
            finish_failed_request(state)
            raise
        current_request.reset(token)
        response = state.response
        if response is None and isinstance(body, GeneratorType):
            # The body of another middleware, which calls the app once the server reads the body.
            return StreamedBody(body, state)
        if response is not None and is_streamed(response, body):
            return StreamedBody(body, state)
        try:
            recorder.finish(state)
        except BaseException:
            close_body(body)
            raise
        return body


def _is_websocket_end(error: BaseException, environ: WSGIEnvironment) -> bool:
    """Return whether an exception only says that a WebSocket used the connection.

    Flask-Sock and Flask-SocketIO raise it for gunicorn and Werkzeug's server:
    https://github.com/miguelgrinberg/python-engineio/blob/v4.15.1/src/engineio/async_drivers/_websocket_wsgi.py
    """
    is_websocket = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
    return is_websocket and isinstance(error, (StopIteration, ConnectionError))
