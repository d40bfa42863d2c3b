"""The dashboard of one app: its blueprint, who may see it, and what it reads from."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from ..chests.readers import first_reader
from ..errors import ChestError, ConfigError, QueryError
from ..query.reader import Reader
from .access import Access, AccessCheck
from .formats import FILTERS
from .health import Health
from .login import Login
from .pages import Pages
from .params import Params

if TYPE_CHECKING:
    from ..app.state import AppState


_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def secure(response: Response) -> Response:
    """Nothing from afar, nothing inline, nothing in a frame, nothing kept by caches between."""
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"
    return response


NAME = "chest_dashboard"


_OPEN = frozenset((f"{NAME}.login", f"{NAME}.take_login", f"{NAME}.static"))


class Dashboard:
    """Serves what one app recorded.

    :param app: the app.
    :param state: the state of the app.
    :param check: the app's access check.
    :raises ConfigError: nobody would be kept out.
    """

    def __init__(self, app: Flask, state: AppState, check: AccessCheck | None) -> None:
        settings = state.settings
        where = settings.dashboard
        self.prefix = where.rstrip("/") if isinstance(where, str) else "/chest"
        if not self.prefix:
            raise ConfigError("CHEST_DASHBOARD: '/' is the app's own; name a prefix, e.g. '/chest'")
        self.access = Access(app, check, settings.dashboard_token)
        self.login = Login(self.access)
        self._app = app
        self._state = state
        self._readers: tuple[int, dict[str, Reader]] = (0, {})
        self._lock = threading.Lock()

    def register(self) -> None:
        """Serve it, and leave its own requests out of the records."""
        self._app.register_blueprint(self._blueprint())
        rules = self._state.plans.rules.all
        if not any(
            rule.selectors.get("blueprint") == NAME and "record" in rule.options for rule in rules
        ):
            silent = {"blueprint": NAME, "record": False}
            self._state.plans.add_rule(silent, "dashboard (default)")

    def reader(self) -> Reader:
        """A reader of the chest that the URL names, or of the first that can be read.

        :raises flask_chest.errors.ConfigError: there is none.
        """
        name = request.args.get("chest") or ""
        with self._lock:
            pid, readers = self._readers
            if pid != os.getpid():  # connections of the parent's are not ours
                readers = {}
                self._readers = (os.getpid(), readers)
            if name not in readers:
                readers[name] = first_reader(self._state.chests, name or None)
            return readers[name]

    def close(self) -> None:
        """Close what it read with; a later page opens it anew."""
        with self._lock:
            (pid, readers), self._readers = self._readers, (0, {})
        if pid == os.getpid():
            for reader in readers.values():
                reader.close()

    def _blueprint(self) -> Blueprint:
        blueprint = Blueprint(
            NAME,
            __name__,
            url_prefix=self.prefix,
            static_folder="static",
            template_folder="templates",
        )
        pages = Pages(self.reader)
        health = Health(self._state)
        rules: tuple[tuple[str, str, Any], ...] = (
            ("/", "overview", pages.overview),
            ("/variable", "variable", pages.variable),
            ("/compare", "compare", pages.compare),
            ("/requests", "requests", pages.requests),
            ("/requests/<identity>", "request", pages.request),
            ("/health", "health", health.page),
            ("/login", "login", self.login.ask),
        )
        for rule, endpoint, view in rules:
            # Else a redirect would lead there from the prefix, which is no route: it is recorded.
            blueprint.add_url_rule(rule, endpoint, view, methods=["GET"], strict_slashes=False)
        blueprint.add_url_rule("/login", "take_login", self.login.take, methods=["POST"])
        blueprint.add_url_rule("/logout", "logout", self.login.end, methods=["POST"])
        blueprint.before_request(self._guard)
        # APIFlask asks those that have a before_request, and makes no specification without it:
        # https://github.com/apiflask/apiflask/blob/3.1.2/src/apiflask/app.py#L801
        blueprint.enable_openapi = False  # type: ignore[attr-defined]
        blueprint.after_request(self._finish)
        blueprint.context_processor(self._context)
        blueprint.register_error_handler(ChestError, self._tell)
        for name, function in FILTERS.items():
            blueprint.add_app_template_filter(function, f"chest_{name}")
        return blueprint

    def _guard(self) -> ResponseReturnValue | None:
        if request.endpoint in _OPEN:
            return None
        answer = self.access.judge(request)
        if isinstance(answer, Response):
            return answer
        if answer:
            return None
        if self.access.asks_for_token:
            wanted = request.root_path + request.full_path.rstrip("?")
            return redirect(url_for(f"{NAME}.login", next=wanted), 303)
        return abort(403)

    def _finish(self, response: Response) -> Response:
        value = request.environ.get("flask_chest.form")
        if value is not None:
            self.login.keep_form_value(response, value)
        return secure(response)

    def _context(self) -> dict[str, Any]:
        def form() -> str:
            value: str = request.environ.setdefault("flask_chest.form", self.login.form_value())
            return value

        return {"can_log_out": self.access.asks_for_token, "form_value": form}

    def _tell(self, error: ChestError) -> ResponseReturnValue:
        status = 400 if isinstance(error, (QueryError, ConfigError)) else 503
        page = render_template(
            "flask_chest/error.html", error=str(error), params=Params.of(request.args)
        )
        return make_response(page, status)
