"""Logs one ``request.summary`` for each request."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from time import perf_counter, time
from types import TracebackType
from typing import Any, Protocol, TypeAlias

from flask import (
    Flask,
    Request,
    after_this_request,
    g,
    got_request_exception,
    request,
)

from .chest_integration import ChestIntegration
from .mozlog_request_id import DEFAULT_HEADER, is_usable, new_request_id, request_id_context
from .safe_json import safe_str
from .settings import LOG_QUERYSTRING, REQUEST_ID_HEADER

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | None


def make_record(
    logger: logging.Logger,
    level: int,
    message: str,
    exc_info: ExcInfo,
    fields: Mapping[str, Any],
) -> logging.LogRecord:
    """Return the record of a summary, without looking for the line of code that logs it.

    :param fields: further attributes, as in ``extra=``.
    """
    record = logger.makeRecord(
        logger.name, level, __file__, 0, message, (), exc_info, "request_summary"
    )
    vars(record).update(fields)
    return record


logger = logging.getLogger("dockerflow.flask")

# The key in the WSGI environment. Not on g: an app context may outlive a request, and views may
# clear g.
_PROGRESS = "flask_chest.dockerflow"

_LOAD_BALANCER = "dockerflow.lbheartbeat"

# Characters. A header of 8 kB of control characters would make a line of 48 kB, which Docker's log
# driver splits into pieces that are not JSON.
_MAX_TEXT = 2048


class _Summarizing(Protocol):
    """The attributes of the extension that the summary uses; users may override them."""

    summary_logger: logging.Logger

    def summary_extra(self) -> dict[str, Any]: ...


class _Progress:
    """The state of one request."""

    __slots__ = ("error", "request_id", "started", "written")

    def __init__(self, request_id: str) -> None:
        self.started = perf_counter()
        self.request_id = request_id
        self.error: BaseException | None = None
        self.written = False


class Summary:
    """Writes the summaries of one app."""

    def __init__(self, app: Flask, dockerflow: _Summarizing, chest: ChestIntegration) -> None:
        self._app = app
        self._dockerflow = dockerflow
        self._chest = chest

    def connect(self) -> None:
        """Connect to the app's requests."""
        # Flask calls it before all before_request functions, one of which may return a response and
        # skip the others. It takes a third of the time of a signal.
        self._app.url_value_preprocessor(self._preprocess)
        got_request_exception.connect(self._fail, self._app)
        self._app.after_request(self._finish)

    def _preprocess(self, endpoint: str | None, values: dict[str, Any] | None) -> None:
        self._begin()

    def _begin(self) -> _Progress:
        environ = request.environ
        request_id = self._chest.request_id() or _request_id(environ, self._app.config)
        request_id_context.set(request_id)
        namespace = behind(g)
        # Code written for python-dockerflow reads these attributes.
        namespace._request_id = request_id
        namespace._start_timestamp = time()
        namespace.setdefault("request_id", request_id)
        progress = environ[_PROGRESS] = _Progress(request_id)
        return progress

    def _fail(self, sender: Flask, exception: BaseException, **_: object) -> None:
        served = behind(request)
        # Opening the session may fail before the preprocessor runs.
        progress = served.environ.get(_PROGRESS) or self._begin()
        progress.error = exception
        # Saving the session may fail after a summary of success was written: write another one.
        progress.written = False
        if propagates(sender):
            self._write(served, progress, 500)  # the server answers with it; no hook runs later
            return
        # It runs before all after_request functions, one of which may have failed and would fail
        # again. A teardown function would cost time in every request.
        after_this_request(self._finish)

    def _finish(self, response: Any) -> Any:
        # Tests may call app.process_response() without starting the request.
        served = behind(request)
        progress = served.environ.get(_PROGRESS) or self._begin()
        if not progress.written:
            self._write(served, progress, response.status_code)
        return response

    def _write(self, served: Request, progress: _Progress, status: int) -> None:
        progress.written = True
        error = progress.error
        level = logging.INFO if error is None else logging.ERROR
        summary_logger = self._dockerflow.summary_logger
        if not summary_logger.isEnabledFor(level):
            return
        try:
            fields = self._dockerflow.summary_extra()
            fields["code"] = status
            fields["route"] = served.url_rule.rule if served.url_rule is not None else ""
            self._chest.add_variables(fields)
            _log(summary_logger, level, error, fields)
        except Exception:
            # An override or a handler raised: a log line must not prevent the response.
            logger.exception("no request.summary for this request")


def propagates(app: Flask) -> bool:
    """Return whether exceptions of the app's views reach the server."""
    configured = app.config["PROPAGATE_EXCEPTIONS"]
    return bool(app.testing or app.debug if configured is None else configured)


def behind(proxy: Any) -> Any:
    """Return the object behind the proxy ``request``, ``g`` or ``current_app``.

    Each access through a proxy takes as long as the summary's work with it.
    """
    return proxy._get_current_object()


def request_fields(request: Request, config: Mapping[str, Any], user_id: object) -> dict[str, Any]:
    """Return a request's fields, with python-dockerflow's names.

    :param config: the app's config.
    :param user_id: the user's id, or ``None``.
    """
    environ = request.environ
    fields = {
        "errno": 0,
        "agent": _short(environ.get("HTTP_USER_AGENT", "")),
        "lang": _short(environ.get("HTTP_ACCEPT_LANGUAGE", "")),
        "method": request.method,
        "path": _short(request.path),
    }
    if config.get(LOG_QUERYSTRING):
        fields["querystring"] = _short(request.query_string.decode("utf-8", "replace"))
    fields["uid"] = "" if user_id is None else user_id
    progress = environ.get(_PROGRESS)
    if progress is not None:
        fields["rid"] = progress.request_id
        fields["t"] = int(1000 * (perf_counter() - progress.started))
    return fields


def flask_login_user_id(app: Flask) -> object:
    """Return the id of Flask-Login's user, or ``None`` without a user or without Flask-Login.

    The app's own code loads the user. If that fails, the summary has no ``uid``. For the load
    balancer's requests no user is loaded: their answer must not depend on a database.
    """
    if "login_manager" not in vars(app) or request.endpoint == _LOAD_BALANCER:
        return None
    from flask_login import current_user

    try:
        authenticated = current_user.is_authenticated
        if callable(authenticated):
            authenticated = authenticated()
        return current_user.get_id() if authenticated else None
    except Exception:
        logger.debug("no uid for the request.summary", exc_info=True)
        return None


def _request_id(environ: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    given = environ.get(_environ_key(config.get(REQUEST_ID_HEADER) or DEFAULT_HEADER))
    return given if given and is_usable(given) else new_request_id()


@lru_cache(maxsize=8)
def _environ_key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def _log(
    summary_logger: logging.Logger,
    level: int,
    error: BaseException | None,
    fields: dict[str, Any],
) -> None:
    """Log like ``logger.log(..., extra=fields)``, but without searching for the caller."""
    message, exc_info = "", None
    if error is not None:
        fields["errno"] = 500
        message = _one_line(safe_str(error))
        exc_info = (type(error), error, error.__traceback__)
    summary_logger.handle(make_record(summary_logger, level, message, exc_info, fields))


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."


def _one_line(text: str) -> str:
    """Return the text with its control characters escaped, since it may come from a client."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
