"""The dashboard's blueprint: routes, access checks, security headers, readers of the stores."""

from __future__ import annotations

import threading
from typing import Any

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

from ..app.state import AppState
from ..chests.client import PerProcessClient
from ..chests.reader_selection import first_reader
from ..errors import ChestError, ConfigError, QueryError
from ..query.reader import Reader
from .access import Access, AccessCheck
from .formats import FILTERS
from .health import Health
from .login import Login
from .pages import Pages
from .params import Params

NAME = "chest_dashboard"

_PUBLIC_ENDPOINTS = frozenset((f"{NAME}.login", f"{NAME}.submit_login", f"{NAME}.static"))
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Dashboard:
    """Serves the dashboard of one app.

    :param app: the app.
    :param state: the state of the app.
    :param check: the app's own access check.
    :raises ConfigError: everyone would have access, or the URL prefix is ``/``.
    """

    def __init__(self, app: Flask, state: AppState, check: AccessCheck | None) -> None:
        setting = state.settings.dashboard
        self.prefix = setting.rstrip("/") if isinstance(setting, str) else "/chest"
        if not self.prefix:
            raise ConfigError("CHEST_DASHBOARD: '/' is the app's own; name a prefix, e.g. '/chest'")
        self.access = Access(app, check, state.settings.dashboard_token)
        self.login = Login(self.access)
        self._app = app
        self._state = state
        self._readers: PerProcessClient[dict[str, Reader]] = PerProcessClient(dict, _close_all)
        self._lock = threading.Lock()

    def register(self) -> None:
        """Register the blueprint, and a rule that leaves its requests out of the records."""
        self._app.register_blueprint(self._make_blueprint())
        rules = self._state.plans.rules.all
        if not any(
            rule.selectors.get("blueprint") == NAME and "record" in rule.options for rule in rules
        ):
            not_recorded = {"blueprint": NAME, "record": False}
            self._state.plans.add_rule(not_recorded, "dashboard (default)")

    def reader(self) -> Reader:
        """Return a reader of the chest that the URL names, or of the first readable chest.

        :raises flask_chest.errors.ConfigError: no such chest can be read.
        """
        name = request.args.get("chest") or ""
        with self._lock:
            readers = self._readers.get()
            if name not in readers:
                readers[name] = first_reader(self._state.chests, name or None)
            return readers[name]

    def close(self) -> None:
        """Close all readers; the next page opens new ones."""
        with self._lock:
            self._readers.close()

    def _make_blueprint(self) -> Blueprint:
        blueprint = Blueprint(
            NAME,
            __name__,
            url_prefix=self.prefix,
            static_folder="static",
            template_folder="templates",
        )
        self._add_routes(blueprint)
        blueprint.before_request(self._authorize)
        # APIFlask reads this of every blueprint with a before_request function, and cannot build
        # its specification without it:
        # https://github.com/apiflask/apiflask/blob/3.1.2/src/apiflask/app.py#L801
        blueprint.enable_openapi = False  # type: ignore[attr-defined]
        blueprint.after_request(self._finish)
        blueprint.context_processor(self._template_context)
        blueprint.register_error_handler(ChestError, self._show_error)
        for name, function in FILTERS.items():
            blueprint.add_app_template_filter(function, f"chest_{name}")
        return blueprint

    def _add_routes(self, blueprint: Blueprint) -> None:
        pages = Pages(self.reader)
        health = Health(self._state)
        routes: tuple[tuple[str, str, Any], ...] = (
            ("/", "overview", pages.overview),
            ("/variable", "variable", pages.variable),
            ("/compare", "compare", pages.compare),
            ("/requests", "requests", pages.requests),
            ("/requests/<identity>", "request", pages.request),
            ("/health", "health", health.page),
            ("/login", "login", self.login.show),
        )
        for rule, endpoint, view in routes:
            # With strict slashes, Flask would redirect the bare prefix outside of any route, and
            # that request would be recorded.
            blueprint.add_url_rule(rule, endpoint, view, methods=["GET"], strict_slashes=False)
        blueprint.add_url_rule("/login", "submit_login", self.login.submit, methods=["POST"])
        blueprint.add_url_rule("/logout", "logout", self.login.log_out, methods=["POST"])

    def _authorize(self) -> ResponseReturnValue | None:
        if request.endpoint in _PUBLIC_ENDPOINTS:
            return None
        result = self.access.authorize(request)
        if isinstance(result, Response):
            return result
        if result:
            return None
        if self.access.uses_token:
            target = request.root_path + request.full_path.rstrip("?")
            return redirect(url_for(f"{NAME}.login", next=target), 303)
        return abort(403)

    def _finish(self, response: Response) -> Response:
        form_value = request.environ.get("flask_chest.form")
        if form_value is not None:
            self.login.set_form_cookie(response, form_value)
        return set_security_headers(response)

    def _template_context(self) -> dict[str, Any]:
        def form_value() -> str:
            value: str = request.environ.setdefault("flask_chest.form", self.login.form_value())
            return value

        return {"can_log_out": self.access.uses_token, "form_value": form_value}

    def _show_error(self, error: ChestError) -> ResponseReturnValue:
        status = 400 if isinstance(error, (QueryError, ConfigError)) else 503
        page = render_template(
            "flask_chest/error.html", error=str(error), params=Params.from_args(request.args)
        )
        return make_response(page, status)


def set_security_headers(response: Response) -> Response:
    """Set security headers: same-origin only, no inline code, no framing, no shared caching."""
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if response.mimetype == "text/html":
        response.headers["Cache-Control"] = "no-store"
    return response


def _close_all(readers: dict[str, Reader]) -> None:
    for reader in readers.values():
        reader.close()
