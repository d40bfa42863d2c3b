"""What goes with one request from the door to its record."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

from .ids import IdMaker, accepted_request_id
from .rules import Plan

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask.wrappers import Response

    from .hooks import Recorder

#: Where the environment of a request that came past the middleware has its state.
STATE = "flask_chest.request"

#: Makes the ids of this process' records.
ids = IdMaker()


class RequestState:
    """One request on its way through the app.

    :param recorder: whose request it is.
    :param environ: the WSGI environment.
    :param start_response: the server's.
    """

    # Class attributes: the values of a request that nothing has happened to yet.
    values: Any = None
    values_at_end: Any = None
    response: Response | None = None
    error: BaseException | None = None
    status: int | None = None
    plan: Plan | None = None
    #: A decorator's generator was asked for the request id.
    named = False
    #: Whether the request id can be sent back.
    echoed = True
    #: It had begun when it was first heard of, so nobody knows how long it took.
    began_before = False
    #: The record was made elsewhere, or is not to be made.
    settled = False

    def __init__(
        self, recorder: Recorder, environ: WSGIEnvironment, start_response: StartResponse
    ) -> None:
        self.recorder = recorder
        self.environ = environ
        self.began = time.perf_counter()
        self.time = time.time_ns() // 1000
        self.id = ids.make(self.time)
        self._start_response = start_response
        given = environ.get(recorder.request_id_key)
        accepted = None if given is None else accepted_request_id(given)
        self.request_id = accepted or self.id
        if accepted is None and recorder.request_id_generator is not None:
            recorder.make_id(self, recorder.request_id_generator)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Pass the start of the response on to the server, with the request id."""
        try:
            self.status = int(status[:3])
        except ValueError:  # words without a number; Werkzeug lets a view return such a status
            self.status = None
        if self.echoed:
            recorder = self.recorder
            wanted = recorder.request_id_lower
            for name, _ in headers:
                if name.lower() == wanted:
                    break
            else:
                # Not appended: an app below a dispatcher may send the same list each time.
                headers = [*headers, (recorder.request_id_header, self.request_id)]
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)

    def judge_error(self) -> None:
        """Look at the exception beside what was answered."""
        error, status = self.error, self.status
        if status is None:
            if isinstance(error, Exception):
                self.status = 500  # what a server answers when an exception reaches it
        elif isinstance(error, HTTPException) and status == asked_status(error):
            # Not one that Flask tells of: Flask-RESTful and Flask-RESTX send the signal for each
            # abort(), https://github.com/flask-restful/flask-restful/blob/0.3.10/flask_restful/__init__.py#L308
            self.error = None


#: The request that is being served in this thread, task or greenlet.
current_request: ContextVar[RequestState | None] = ContextVar("flask_chest_request", default=None)


def asked_status(error: BaseException) -> int | None:
    """The status that an exception asks for."""
    if not isinstance(error, HTTPException):
        return 500 if isinstance(error, Exception) else None
    return error.code if error.response is None else error.response.status_code


def _forget() -> None:
    # What a view's child does is no part of the request that its parent serves. Else a context that
    # it pushes would leave no record, and its end another one with the id of the parent's.
    state = current_request.get()
    if state is not None:
        state.settled = True
        state.environ[STATE] = state
        current_request.set(None)


os.register_at_fork(after_in_child=_forget)


def values_on(holder: Any) -> Mapping[str, object]:
    """What lies on a ``g``. Not by ``dir()``, which would name its methods too."""
    try:
        values: Mapping[str, object] = holder.__dict__
    except AttributeError:  # an app_ctx_globals_class of the app's own, without a __dict__
        return {} if holder is None else {name: holder.get(name) for name in holder}
    # Or one that is a dict itself.
    return values if values or not isinstance(holder, dict) else holder
