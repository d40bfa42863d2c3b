"""The door: every request comes in here, and its record is kept before its response goes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from werkzeug.wsgi import ClosingIterator

from .recorder import NOTHING_MORE, Recorder
from .request_state import RequestState, current_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from flask.wrappers import Response


class ChestMiddleware:
    """A WSGI middleware around an app's ``wsgi_app``.

    :param wsgi_app: what it wraps.
    :param recorder: makes the records.
    """

    def __init__(self, wsgi_app: WSGIApplication, recorder: Recorder) -> None:
        self.wsgi_app = wsgi_app
        self._recorder = recorder

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        recorder = self._recorder
        try:
            state = RequestState(recorder, environ, start_response)
        except Exception:  # noqa: BLE001 - a request never fails because of us
            recorder.trouble("begin a record")
            return self.wsgi_app(environ, start_response)
        token = current_request.set(state)
        try:
            body = self.wsgi_app(environ, state.start_response)
        except BaseException as error:
            current_request.reset(token)
            if _is_taken_over(error, environ):
                state.status = 101
            else:
                state.error = error
            _finish_failed(state)
            raise
        current_request.reset(token)
        response = state.response
        if response is None and isinstance(body, GeneratorType):
            # Another middleware, which calls the app once its body is asked for.
            return StreamedBody(body, state)
        if response is not None and _is_stream(response, body):
            return StreamedBody(body, state)
        try:
            recorder.finish(state)
        except BaseException:
            _close(body)
            raise
        return body


class StreamedBody:
    """A streamed body on its way: the record is made when it ends.

    :param body: what the app returned.
    :param state: the request.
    """

    def __init__(self, body: Iterable[bytes], state: RequestState) -> None:
        self._body = body
        self._iterator = iter(body)
        self._state = state
        self._sent = 0
        self._ended = False
        # Else there is a circle where start_response lies in the environment, as with ddtrace, and
        # a body that a test drops unread would end some time, in the midst of another request.
        state.response = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        # Bodies are interleaved in one thread by some servers, so each step says whose it is.
        token = current_request.set(self._state)
        try:
            chunk = next(self._iterator)
        except BaseException as error:
            self._ended = True
            if not isinstance(error, StopIteration):
                self._state.error = error
            raise
        finally:
            current_request.reset(token)
            if self._ended:
                self._finish()
        self._sent += len(chunk)
        return chunk

    def close(self) -> None:
        """Called by the server, at the end or when the client has gone."""
        token = current_request.set(self._state)
        try:
            _close(self._body)
        finally:
            current_request.reset(token)
            self._finish()

    def _finish(self) -> None:
        more = {"bytes_sent": self._sent, "disconnected": not self._ended}
        if self._state.error is None:
            self._state.recorder.finish(self._state, more)
        else:
            _finish_failed(self._state, more)


def _is_stream(response: Response, body: Iterable[bytes]) -> bool:
    """Whether what Werkzeug cannot measure is made while it is sent."""
    if type(response.response) is list or not response.is_streamed:
        return False
    if response.direct_passthrough:
        return False  # a file, handed back as it is: the server may use sendfile()
    if isinstance(body, (list, tuple)):
        return False  # another middleware has gathered it: the server measures it, if it may
    # An error page of abort() has been through Response.force_type(), which leaves an iterator of
    # a body that is there already.
    ready = isinstance(response.response, ClosingIterator) and "Content-Length" in response.headers
    return not ready


def _is_taken_over(error: BaseException, environ: WSGIEnvironment) -> bool:
    """Whether this is no failure, but tells the server that a WebSocket has had its connection.

    Of Flask-Sock and Flask-SocketIO below gunicorn and Werkzeug's server:
    https://github.com/miguelgrinberg/python-engineio/blob/v4.15.1/src/engineio/async_drivers/_websocket_wsgi.py
    """
    asked = environ.get("HTTP_UPGRADE", "").lower() == "websocket"
    return asked and isinstance(error, (StopIteration, ConnectionError))


def _finish_failed(state: RequestState, more: Mapping[str, Any] = NOTHING_MORE) -> None:
    outer = current_request.get()
    if outer is not None and outer.environ is state.environ:
        # An app that mounts this one: the exception passes through it, the request is not its own.
        outer.settled = True
    try:
        state.recorder.finish(state, more)
    except Exception:  # noqa: BLE001 - the app's own exception must be seen, not this one
        state.recorder.trouble("write the record of a failed request")


def _close(body: Iterable[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()
