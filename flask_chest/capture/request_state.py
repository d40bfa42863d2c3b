"""What goes with one request from the door to its record."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from werkzeug.exceptions import HTTPException

from .request_start import RequestStart

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
