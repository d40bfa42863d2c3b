"""What goes with one request from the door to its record."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException

from .._speedups import speed
from ..record.ids import IdMaker, accepted_request_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask.wrappers import Response

    from ..config.plan import Plan
    from .recorder import Recorder


class Readings:
    """What a request is read with; compiled or not."""

    __slots__ = ()

    #: Makes the ids of this process' records.
    ids = IdMaker()
    #: An id that a caller sent, where it is accepted.
    accepted = staticmethod(accepted_request_id)

    @staticmethod
    def read_status(status: str) -> int | None:
        """The number that a status begins with."""
        try:
            return int(status[:3])
        except ValueError:  # words without a number; Werkzeug lets a view return such a status
            return None


class RequestStart(Readings):
    """What a request begins with, and what becomes of it.

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
        self.id = self.ids.make(self.time)
        self._server = start_response
        given = environ.get(recorder.request_id_key)
        accepted = None if given is None else self.accepted(given)
        self.request_id = accepted or self.id
        if accepted is None and recorder.request_id_generator is not None:
            recorder.make_id(self, recorder.request_id_generator)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Pass the start of the response on to the server, with the request id."""
        self.status = self.read_status(status)
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
            return self._server(status, headers)
        return self._server(status, headers, exc_info)

    def line(
        self,
        names: tuple[str, ...] | None,
        known: set[tuple[str, ...]],
        short: int,
        rest: bytes,
        limit: int,
    ) -> bytes | None:
        """The line of its record, where nothing seldom is to be told; ``None`` leaves it to others.

        :param names: the variables to track; ``None`` for all.
        :param known: names that are kept whole when they are on ``g`` together.
        :param short: characters of a text that fits for sure.
        :param rest: the fields that records of its route share, encoded.
        :param limit: bytes of a record.
        """
        return None  # in Python it would be no shorter than the way for all


if not TYPE_CHECKING and speed is not None:

    class RequestStart(speed.RequestStart, Readings):
        """The same, compiled."""

        __slots__ = ()


#: Where the environment of a request that came past the middleware has its state.
STATE = "flask_chest.request"


#: Makes the ids of this process' records.
ids = RequestStart.ids


class RequestState(RequestStart):
    """One request on its way through the app.

    :param recorder: whose request it is.
    :param environ: the WSGI environment.
    :param start_response: the server's.
    """

    __slots__ = ()

    def duration(self) -> float:
        """Milliseconds since it began."""
        elapsed = (time.perf_counter() - self.began) * 1000
        return int(elapsed * 1000) / 1000  # round() takes three times as long

    def facts(self, duration: float) -> dict[str, Any]:
        """The fields in which records of one route differ, in their order; no variables yet.

        :param duration: milliseconds that it took.
        """
        return {
            "id": self.id,
            "time": self.time,
            "request_id": self.request_id,
            "duration_ms": duration,
            "vars": None,
            "status": self.status,
        }

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
