"""The decorator: one view's own words, above all rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from inspect import iscoroutinefunction, isroutine
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from flask import Flask, current_app, g, has_request_context, request
from werkzeug.exceptions import HTTPException

from .app.decorations import OVERRIDE
from .app.state import AppState, get_state, standalone_state
from .capture.request_state import (
    ENVIRON_KEY,
    RequestState,
    current_request,
    status_of_exception,
)
from .capture.routes import route_of
from .chests.base import Chest
from .chests.registry import make_chests
from .config import settings as config
from .config import validators as checks
from .config.plan import Override, Plan
from .config.rule import Route
from .delivery.synchronous import SynchronousDelivery
from .errors import ConfigError
from .typing import RequestIdGenerator, TrackedVars

View = TypeVar("View", bound=Callable[..., Any])


def flask_chest(
    chests: Sequence[Any] | None = None,
    tracked_vars: TrackedVars = None,
    request_id_generator: RequestIdGenerator | None = None,
    raise_exceptions: bool = True,
) -> Callable[[View], View]:
    """Say for one view what is recorded, and where.

    Without ``chests`` it overrides the rules of the app's ``FlaskChest`` for this view, and does
    nothing in an app that has none. With ``chests`` it works in any app, and this view's record
    goes to these chests in place of the app's.

    :param chests: chests, URLs or dicts, as in ``CHEST_CHESTS``.
    :param tracked_vars: what this view tracks, in place of what rules say; ``None`` leaves that to
        the rules, or tracks all public plain values in an app without ``FlaskChest``.
    :param request_id_generator: called once a request; its string is the record's request id.
    :param raise_exceptions: matters with ``chests`` only. ``True`` writes as soon as the view has
        returned, and a failure is the response's; ``False`` leaves it to the background exporter.
    :raises ConfigError: an argument is wrong.

    .. versionadded:: 1.0
    """
    if isroutine(chests):
        raise ConfigError("@flask_chest: it is written with parentheses, @flask_chest()")
    given = _checked("chests", chests, checks.optional(checks.chests))
    decoration = _Decoration(
        None if given is None else make_chests(given, "flask_chest(chests)"),
        _checked("tracked_vars", tracked_vars, checks.tracked_vars),
        _checked("request_id_generator", request_id_generator, checks.optional(checks.function)),
        _checked("raise_exceptions", raise_exceptions, checks.boolean),
    )

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):
            wrapped = _wrap_async(view, decoration)
        else:
            wrapped = _wrap(view, decoration)
        setattr(wrapped, OVERRIDE, decoration)
        return cast(View, wrapped)

    return decorate


def _checked(name: str, value: object, check: Callable[[Any], Any]) -> Any:
    return config.check_argument(f"flask_chest({name})", value, check, secret=name == "chests")


class _Decoration:
    """What one decorator says."""

    def __init__(
        self,
        chests: list[Chest] | None,
        tracked_vars: TrackedVars,
        request_id_generator: RequestIdGenerator | None,
        raise_exceptions: bool,
    ) -> None:
        self.chests = tuple(chests or ())
        self._elsewhere = chests is not None
        self._raises = raise_exceptions
        self._override = Override(
            tracked_vars=tracked_vars,
            tracks=tracked_vars is not None,
            request_id_generator=request_id_generator,
        )
        self._overrides: WeakKeyDictionary[AppState, Override] = WeakKeyDictionary()

    def override_in(self, app_state: AppState) -> Override:
        """What is overridden in one app."""
        if app_state not in self._overrides:
            app_state.attach_decorated_chests()
        return self.attach_to(app_state)

    def attach_to(self, app_state: AppState) -> Override:
        """Have an app deliver to its chests, where they are not written to at once.

        :returns: what it overrides there.
        """
        found = self._overrides.get(app_state)
        if found is None:
            found = self._override
            if self._elsewhere and not self._writes_in(app_state):
                found = replace(found, chests=_join(self.chests, app_state))
            self._overrides[app_state] = found
        return found

    def begin(self) -> _Call | None:
        """The view is called. ``None`` where the app's own recorder does all that is to be done."""
        state = current_request.get() or _state_beside()
        if state is not None:
            app_state = get_state(state.recorder.app)
            app_state.plans.override(_route(), self.override_in(app_state))
            return _Call(self, app_state, state) if self._writes_in(app_state) else None
        if not self._elsewhere:
            return None
        app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        standalone = standalone_state(app)
        return None if standalone is None else _Call(self, standalone, None)

    def keep(self, app_state: AppState, line: bytes, plan: Plan) -> None:
        """Write a record, or hand it to the background."""
        if not self._writes_in(app_state):
            app_state.delivery.hand_over(line, plan.mask)
            return
        app_state.bind_chests(self.chests)
        try:
            delivery = SynchronousDelivery(self.chests, app_state.app)
            delivery.hand_over(line, (1 << len(self.chests)) - 1)
        except Exception:
            if self._raises:
                raise
            app_state.recorder.log_failure("write the record of a view")

    def _writes_in(self, app_state: AppState) -> bool:
        """Whether records are written at once; without a buffer there is no background."""
        return self._elsewhere and (self._raises or app_state.settings.buffer == "none")


class _Call:
    """One call of a decorated view whose record is made here."""

    def __init__(
        self, decoration: _Decoration, app_state: AppState, state: RequestState | None
    ) -> None:
        self._decoration = decoration
        self._app_state = app_state
        self._state = state or RequestState(app_state.recorder, request.environ, _no_response)

    def returned(self, result: Any) -> None:
        """The view has returned."""
        self._record(_status_of(result), None)

    def raised(self, error: BaseException) -> None:
        """The view has raised; that must be seen, so nothing of ours may hide it."""
        shown = None if isinstance(error, HTTPException) else error
        try:
            self._record(status_of_exception(error), shown)
        except Exception:  # noqa: BLE001 - as said
            self._app_state.recorder.log_failure("write the record of a view that raised")

    def _record(self, status: int | None, error: BaseException | None) -> None:
        state, app_state = self._state, self._app_state
        state.recorded = True
        override = self._decoration.override_in(app_state)
        app_state.plans.override(_route(), override)
        encoding = app_state.plans.get(_route())
        namespace = g._get_current_object()
        line = app_state.recorder.encode_view(state, encoding, namespace, status, error)
        if line is not None:
            self._decoration.keep(app_state, line, encoding.plan)


def _wrap(view: Callable[..., Any], decoration: _Decoration) -> Callable[..., Any]:
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = decoration.begin()
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


def _wrap_async(view: Callable[..., Any], decoration: _Decoration) -> Callable[..., Any]:
    @wraps(view)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        call = decoration.begin()
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


def _join(chests: Sequence[Chest], app_state: AppState) -> tuple[str, ...]:
    """Their names in an app; none where they found no place there."""
    try:
        return app_state.attach_chests(chests)
    except Exception:  # noqa: BLE001 - the background never disturbs a response
        app_state.recorder.log_failure("take in the chests of a decorator")
        return ()


def _state_beside() -> RequestState | None:
    """That of a request which came past the middleware."""
    if not has_request_context():
        return None  # the view is called by a test, say
    state: RequestState | None = request.environ.get(ENVIRON_KEY)
    ours = state is not None and state.recorder.app is current_app._get_current_object()  # type: ignore[attr-defined]
    return state if ours else None


def _route() -> Route:
    return route_of(request._get_current_object())  # type: ignore[attr-defined]


def _status_of(result: Any) -> int | None:
    """The status that a view's return value asks for.

    https://flask.palletsprojects.com/en/stable/quickstart/#about-responses
    """
    if isinstance(result, tuple) and result:  # an empty one is for Flask to refuse
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
