"""``@flask_chest``: per-view settings that override all rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from inspect import iscoroutinefunction, isroutine
from typing import Any, TypeVar, cast

from flask import Flask, current_app, g, has_request_context, request
from werkzeug.exceptions import HTTPException

from .app.decorated_views import Decoration, decorate_view
from .app.state import AppState, find_state, standalone_state
from .capture.encoding_cache import EncodingCache
from .capture.request_state import (
    BY_VIEW,
    ENVIRON_KEY,
    RequestState,
    current_request,
    status_of_exception,
)
from .capture.routes import route_of
from .chests.factory import make_chests
from .config import value_types
from .config.plan_compiler import Override
from .config.rule_matching import Route
from .config.settings_validation import check_argument
from .delivery.synchronous_delivery import SynchronousDelivery
from .errors import ConfigError
from .typing import RequestIdGenerator, TrackedVars

# The key in the WSGI environment of the ``g`` of a request in an app without a ``FlaskChest``, once
# a decorated view has decided what is recorded.
_DECIDED_KEY = "flask_chest.decided"

View = TypeVar("View", bound=Callable[..., Any])


def flask_chest(
    chests: Sequence[Any] | None = None,
    tracked_vars: TrackedVars = None,
    request_id_generator: RequestIdGenerator | None = None,
    raise_exceptions: bool = True,
) -> Callable[[View], View]:
    """Set for one view which variables are recorded, and in which chests.

    Without ``chests`` it overrides the rules of the app's ``FlaskChest`` for this view, and does
    nothing in an app without a ``FlaskChest``. With ``chests`` it works in any app, and this view's
    records go to these chests instead of the app's.

    :param chests: chests, URLs or dicts, as in ``CHEST_CHESTS``.
    :param tracked_vars: the variables that this view tracks, instead of those of the rules;
        ``None`` keeps those of the rules, or tracks all public plain values in an app without a
        ``FlaskChest``.
    :param request_id_generator: called once per request; the returned value becomes the request
        id, as text of at most 255 characters.
    :param raise_exceptions: applies only with ``chests``. ``True`` writes as soon as the view has
        returned, and a failure becomes the response's error; ``False`` leaves the record to the
        background exporter.
    :raises ConfigError: an argument is wrong.

    .. versionadded:: 1.0
    """
    if isroutine(chests):
        raise ConfigError("@flask_chest: add parentheses: @flask_chest()")
    shared = _build_decoration(chests, tracked_vars, request_id_generator, raise_exceptions)

    def decorate(view: View) -> View:
        decoration = replace(shared)  # so that it stands for one view
        if iscoroutinefunction(view):
            wrapped = _wrap_async(view, decoration)
        else:
            wrapped = _wrap(view, decoration)
        decorate_view(wrapped, decoration)
        return cast(View, wrapped)

    return decorate


def _build_decoration(
    chests: object, tracked_vars: object, request_id_generator: object, raise_exceptions: object
) -> Decoration:
    function = value_types.optional(value_types.function)
    specs = _checked("chests", chests, value_types.optional(value_types.chests))
    variables = _checked("tracked_vars", tracked_vars, value_types.tracked_vars)
    return Decoration(
        chests=tuple(make_chests(specs or (), "flask_chest(chests)")),
        override=Override(
            tracked_vars=variables,
            tracks=variables is not None,
            request_id_generator=_checked("request_id_generator", request_id_generator, function),
        ),
        raise_exceptions=_checked("raise_exceptions", raise_exceptions, value_types.boolean),
    )


def _checked(name: str, value: object, validate: Callable[[Any], Any]) -> Any:
    return check_argument(f"flask_chest({name})", value, validate, secret=name == "chests")


class _ViewCall:
    """One call of a decorated view whose record is made here, when the view has returned."""

    def __init__(
        self,
        decoration: Decoration,
        app_state: AppState,
        request_state: RequestState,
        encoding: EncodingCache,
    ) -> None:
        self._decoration = decoration
        self._app_state = app_state
        self._request_state = request_state
        self._encoding = encoding

    def returned(self, result: Any) -> None:
        """Record a view that has returned."""
        self._record(lambda: _status_of(result), None)

    def raised(self, error: BaseException) -> None:
        """Record a view that has raised; its exception must not be replaced by another."""
        shown = None if isinstance(error, HTTPException) else error
        try:
            self._record(lambda: status_of_exception(error), shown)
        except Exception:  # noqa: BLE001 - the view's own exception is raised
            self._app_state.recorder.log_failure("write the record of a view that raised")

    def _record(self, status: Callable[[], int | None], error: BaseException | None) -> None:
        self._request_state.recorded = BY_VIEW
        recorder = self._app_state.recorder
        try:
            line = recorder.encode_view(
                self._request_state, self._encoding, g._get_current_object(), status(), error
            )
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            recorder.log_failure("make the record of a view")
            return
        if line is not None:
            self._deliver(line, self._encoding.plan.mask)

    def _deliver(self, line: bytes, mask: int) -> None:
        decoration, app_state = self._decoration, self._app_state
        if not decoration.writes_at_once(app_state.settings.buffer):
            app_state.delivery.hand_over(line, mask)
            return
        app_state.bind_chests(decoration.chests)
        try:
            delivery = SynchronousDelivery(decoration.chests, app_state.app)
            delivery.hand_over(line, (1 << len(decoration.chests)) - 1)
        except Exception:
            if decoration.raise_exceptions:
                raise
            app_state.recorder.log_failure("write the record of a view")


def _begin_call(decoration: Decoration) -> _ViewCall | None:
    """Apply the decoration to the request; ``None`` if the app's own recorder makes the record."""
    if not has_request_context():
        return None  # e.g. a test calls the view directly
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    request_state = _recorded_request(app)
    app_state = find_state(app) if request_state is not None else _standalone(app, decoration)
    if app_state is None:
        return None
    try:
        if request_state is not None:
            return _begin_recorded(decoration, app_state, request_state)
        return _begin_standalone(decoration, app_state)
    except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
        app_state.recorder.log_failure("apply @flask_chest to a request")
        return None


def _begin_recorded(
    decoration: Decoration, app_state: AppState, request_state: RequestState
) -> _ViewCall | None:
    namespace, route = g._get_current_object(), _route()
    decided = request_state.encoding is not None and request_state.g is namespace
    if request_state.recorded or decided or not app_state.overrides.applies(decoration, route):
        return None
    at_once = decoration.writes_at_once(app_state.settings.buffer)
    if not at_once and app_state.overrides.find(route) is not None:
        return None  # the plan of the route contains the decoration
    encoding = _encoding_of(decoration, app_state, route)
    request_state.g, request_state.encoding = namespace, encoding
    return _ViewCall(decoration, app_state, request_state, encoding) if at_once else None


def _begin_standalone(decoration: Decoration, app_state: AppState) -> _ViewCall | None:
    namespace, route, environ = g._get_current_object(), _route(), request.environ
    if environ.get(_DECIDED_KEY) is namespace or not app_state.overrides.applies(decoration, route):
        return None
    environ[_DECIDED_KEY] = namespace
    begun = RequestState(app_state.recorder, environ, _no_response)
    return _ViewCall(decoration, app_state, begun, _encoding_of(decoration, app_state, route))


def _encoding_of(decoration: Decoration, app_state: AppState, route: Route) -> EncodingCache:
    overrides, plans = app_state.overrides, app_state.plans
    if overrides.find(route) is decoration:
        return plans.get(route)
    return plans.get_overridden(route, overrides.of(decoration))


def _wrap(view: Callable[..., Any], decoration: Decoration) -> Callable[..., Any]:
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _begin_call(decoration)
        if call is None:
            return view(*args, **kwargs)
        try:
            result = view(*args, **kwargs)
        except BaseException as error:
            call.raised(error)
            raise
        call.returned(result)
        return result

    return wrapper


def _wrap_async(view: Callable[..., Any], decoration: Decoration) -> Callable[..., Any]:
    @wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = _begin_call(decoration)
        if call is None:
            return await view(*args, **kwargs)
        try:
            result = await view(*args, **kwargs)
        except BaseException as error:
            call.raised(error)
            raise
        call.returned(result)
        return result

    return wrapper


def _recorded_request(app: Flask) -> RequestState | None:
    """Return the state of the app's current request, if the app has a ``FlaskChest``."""
    # The second one has reached the app without the middleware.
    for state in (current_request.get(), request.environ.get(ENVIRON_KEY)):
        if state is not None and state.recorder.app is app:
            found: RequestState = state
            return found
    return None


def _standalone(app: Flask, decoration: Decoration) -> AppState | None:
    return standalone_state(app) if decoration.chests else None


def _route() -> Route:
    return route_of(request._get_current_object())  # type: ignore[attr-defined]


def _status_of(result: Any) -> int | None:
    """Return the status that a view's return value stands for.

    https://flask.palletsprojects.com/en/stable/quickstart/#about-responses
    """
    if isinstance(result, tuple) and result:  # Flask refuses an empty one
        for part in result[1:2]:
            if isinstance(part, int):
                return part
            if isinstance(part, str):
                return int(part[:3]) if part[:3].isdigit() else None
        return _status_of(result[0])
    status = getattr(result, "status_code", 200)
    return status if isinstance(status, int) else None


def _no_response(*_: Any) -> Any:
    raise AssertionError("a record made for a view alone starts no response")
