"""Streamed responses: decides whether a response is streamed, and records it when it ends."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from werkzeug.wsgi import ClosingIterator

from .request_state import RequestState, current_request
from .unhandled_exceptions import finish_failed_request

if TYPE_CHECKING:
    from flask.wrappers import Response

_REDIRECT = 300
_ITERATOR_PACKAGES = ("itertools", "werkzeug")


def is_streamed(response: Response, body: Iterable[bytes]) -> bool:
    """Return whether a body is generated while it is sent.

    :param response: the response of the app.
    :param body: the body that the WSGI application returned.
    :raises Exception: the app's own classes raise when they are asked.
    """
    if type(response.response) is list or not response.is_streamed:
        return False
    if response.direct_passthrough:
        return False  # a file, returned unchanged: the server may use sendfile()
    if isinstance(body, (list, tuple)):
        return False  # another middleware has collected it, so that the server can measure it
    return not _is_error_page(response)


def _is_error_page(response: Response) -> bool:
    """Return whether a response is a complete page, e.g. of ``abort()``, within an iterator.

    Such a page went through ``Response.force_type()``. Versions of Werkzeug differ in the iterator
    that this leaves.
    """
    if "Content-Length" not in response.headers:
        return False
    if isinstance(response.response, ClosingIterator):
        return True
    module = type(response.response).__module__
    return response.status_code >= _REDIRECT and module.partition(".")[0] in _ITERATOR_PACKAGES


# Packages and modules that run with locks.
_LOCKING = ("flask_chest.delivery", "flask_chest.chests", "flask_chest.config", "flask_chest.app")


class StreamedBody:
    """The body of a streamed response: the record is written when the body ends.

    :param body: the body that the WSGI application returned.
    :param state: the state of the request.
    """

    def __init__(self, body: Iterable[bytes], state: RequestState) -> None:
        self._body = body
        self._iterator: Iterator[bytes] | None = None
        self._state = state
        self._begun = False
        self._sent = 0
        self._ended = False
        # Avoids a reference cycle if start_response is in the environment, as with ddtrace. The
        # garbage collector would close a body that a test never read within another request.
        state.response = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        # Some servers interleave bodies in one thread, so each step sets the current request.
        token = current_request.set(self._state)
        try:
            if self._iterator is None:
                self._iterator = iter(self._body)
            chunk = next(self._iterator)
        except BaseException as error:
            self._ended = True
            if not isinstance(error, StopIteration):
                self._fail(error)
            raise
        finally:
            current_request.reset(token)
            if self._ended:
                self._finish()
        self._begun = True
        with suppress(Exception):  # the server judges a chunk that is no bytes
            self._sent += len(chunk)
        return chunk

    def close(self) -> None:
        """Close the body: the server calls this at the end, or when the client disconnects."""
        token = current_request.set(self._state)
        try:
            close_body(self._body)
        finally:
            current_request.reset(token)
            self._finish()

    def __del__(self) -> None:
        if self._state.recorded:
            return
        # Nobody has closed the body. The garbage collector may run within delivery, whose locks
        # this thread would wait for forever.
        arguments = self._state, {"bytes_sent": self._sent, "disconnected": True}
        if _is_within_delivery():
            # Without this object: the body ends in this thread, which has its contexts.
            threading.Thread(target=_abandon, args=arguments, daemon=True).start()
        else:
            _abandon(*arguments)

    def _fail(self, error: BaseException) -> None:
        self._state.error = error
        if not self._begun:
            self._state.status = None  # servers send the start of a response with its first bytes

    def _finish(self) -> None:
        more = {"bytes_sent": self._sent, "disconnected": not self._ended}
        if self._state.error is None:
            self._state.recorder.finish(self._state, more)
        else:
            finish_failed_request(self._state, more)


def _abandon(state: RequestState, more: Mapping[str, Any]) -> None:
    try:
        # Its context ends after this, and is no job.
        state.recorder.recorded_globals.add(state.g)
        state.recorder.finish(state, more)
    except Exception:  # noqa: BLE001 - it would only be printed
        state.recorder.log_failure("write the record of an abandoned stream")


def _is_within_delivery() -> bool:
    frame = sys._getframe(1).f_back
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_LOCKING):
            return True
        frame = frame.f_back
    return False


def close_body(body: Iterable[bytes]) -> None:
    """Close the body of a WSGI response if it can be closed."""
    close = getattr(body, "close", None)
    if close is not None:
        close()
