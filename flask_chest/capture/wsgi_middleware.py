"""WSGI middleware: begins each request, and writes its record before the response is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy, deepcopy
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from .request_state import RequestRecorder, RequestState, current_request
from .streaming import StreamedBody, close_body, is_streamed
from .unhandled_exceptions import finish_raised_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class ChestMiddleware:
    """A WSGI middleware around an app's ``wsgi_app``.

    It shows the attributes of what it wraps: apps call, e.g., ``app.wsgi_app.add_files()`` of
    WhiteNoise.

    :param wsgi_app: the WSGI application to wrap.
    :param recorder: the recorder of the app.
    """

    # Its name hides no attribute of what is wrapped.
    __slots__ = ("__weakref__", "_chest_parts")

    _chest_parts: tuple[WSGIApplication, RequestRecorder]

    def __init__(self, wsgi_app: WSGIApplication, recorder: RequestRecorder) -> None:
        self._chest_parts = wsgi_app, recorder

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        wrapped, recorder = _parts_of(self)
        try:
            state = RequestState(recorder, environ, start_response)
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            recorder.log_failure("begin a record")
            return wrapped(environ, start_response)
        token = current_request.set(state)
        try:
            body = wrapped(environ, state.start_response)
        except BaseException as error:
            current_request.reset(token)
            finish_raised_request(state, error)
            raise
        current_request.reset(token)
        response = state.response
        try:
            if response is None:
                # The body of another middleware, which calls the app once the server reads it.
                streamed = type(body) is GeneratorType
            else:
                streamed = is_streamed(response, body)
        except Exception:  # noqa: BLE001 - e.g. the __len__ of a body raises
            streamed = True
        if streamed:
            return StreamedBody(body, state)
        try:
            recorder.finish(state)
        except BaseException:
            close_body(body)
            raise
        return body

    def __getattr__(self, name: str) -> Any:
        if name == "_chest_parts":
            raise AttributeError(name)  # __init__ has not been called
        return getattr(self._chest_parts[0], name)

    def __setattr__(self, name: str, value: object) -> None:
        if name == "_chest_parts":
            object.__setattr__(self, name, value)
        else:
            setattr(self._chest_parts[0], name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._chest_parts[0], name)

    def __dir__(self) -> Iterable[str]:
        return dir(self._chest_parts[0])

    def __repr__(self) -> str:
        return f"<ChestMiddleware around {self._chest_parts[0]!r}>"

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._chest_parts[0].__class__

    def __copy__(self) -> ChestMiddleware:
        wrapped, recorder = self._chest_parts
        return ChestMiddleware(copy(wrapped), recorder)

    def __deepcopy__(self, memo: dict[int, Any]) -> ChestMiddleware:
        wrapped, recorder = self._chest_parts
        return ChestMiddleware(deepcopy(wrapped, memo), recorder)

    def __reduce_ex__(self, protocol: object) -> Any:
        # Pickled as what it wraps: a process that is spawned makes its own FlaskChest.
        return _unpickled, (self._chest_parts[0],)


# Reading an attribute of a class with __getattr__() takes four times as long.
_parts_of: Callable[[ChestMiddleware], tuple[WSGIApplication, RequestRecorder]]
_parts_of = ChestMiddleware.__dict__["_chest_parts"].__get__


def _unpickled(wsgi_app: WSGIApplication) -> WSGIApplication:
    return wsgi_app
