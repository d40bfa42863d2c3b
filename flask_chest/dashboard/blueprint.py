"""The dashboard's blueprint: routes, access checks, security headers, readers of the stores."""

from __future__ import annotations

import threading
import time
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    make_response,
    redirect,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from ..app.state import AppState
from ..chests.per_process_client import PerProcessClient
from ..chests.reader import Reader
from ..errors import ChestError, ConfigError, QueryError
from .access import Access, AccessCheck
from .csrf import set_form_cookie
from .error_pages import ErrorPages
from .health_page import Health
from .login_form import Login
from .record_pages import Pages
from .request_origin import is_from_another_site
from .security_headers import set_security_headers
from .template_rendering import Renderer
from .url_params import Params, check_arguments

NAME = "chest_dashboard"

# Seconds after which a store without an archive is asked whether it has got one.
_REOPEN_INTERVAL = 60.0
_PUBLIC_ENDPOINTS = frozenset((f"{NAME}.login", f"{NAME}.submit_login", f"{NAME}.static"))


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
        token = state.settings.dashboard_token
        self.access = Access(app, check, token, state.journal_dir / "dashboard")
        self._renderer = Renderer(can_log_out=self.access.uses_token)
        self._app = app
        self._state = state
        self._readers: PerProcessClient[dict[str, Reader]] = PerProcessClient(dict, _close_all)
        self._opened: dict[str, float] = {}
        self._lock = threading.Lock()

    def register(self) -> None:
        """Register the blueprint, and a rule that leaves its requests out of the records."""
        self._app.register_blueprint(self._make_blueprint())
        if self.access.uses_token:
            self._state.counts["dashboard"] = self.access.failed_logins.to_dict
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
            reader = readers.get(name)
            if reader is None or self._may_have_archive(name, reader):
                if reader is not None:
                    reader.close()
                reader = self._state.archives.first_reader(self._state.chests, name or None)
                readers[name], self._opened[name] = reader, time.monotonic()
            return reader

    def _may_have_archive(self, name: str, reader: Reader) -> bool:
        """Whether the store of a reader may have got an archive since the reader was opened."""
        if self._state.archives.place is None or reader.reads_archive:
            return False
        return time.monotonic() - self._opened[name] > _REOPEN_INTERVAL

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
        )
        self._add_routes(blueprint)
        blueprint.before_request(self._authorize)
        # APIFlask reads this of every blueprint with a before_request function, and cannot build
        # its specification without it:
        # https://github.com/apiflask/apiflask/blob/3.1.2/src/apiflask/app.py#L801
        blueprint.enable_openapi = False  # type: ignore[attr-defined]
        blueprint.after_request(self._finish)
        blueprint.register_error_handler(ChestError, self._show_error)
        return blueprint

    def _add_routes(self, blueprint: Blueprint) -> None:
        render = self._renderer.render
        pages, health = Pages(self.reader, render), Health(self._state, render)
        errors, login = ErrorPages(self.reader, render), Login(self.access, render)
        routes: tuple[tuple[str, str, Any], ...] = (
            ("/", "overview", pages.overview),
            ("/variable", "variable", pages.variable),
            ("/compare", "compare", pages.compare),
            ("/requests", "requests", pages.requests),
            ("/requests/<identity>", "request", pages.request),
            ("/errors", "errors", errors.groups),
            ("/errors/<key>", "error_group", errors.group),
            ("/health", "health", health.page),
            ("/login", "login", login.show),
        )
        for rule, endpoint, view in routes:
            # With strict slashes, Flask would redirect the bare prefix outside of any route, and
            # that request would be recorded.
            blueprint.add_url_rule(rule, endpoint, view, methods=["GET"], strict_slashes=False)
        blueprint.add_url_rule("/login", "submit_login", login.submit, methods=["POST"])
        blueprint.add_url_rule("/logout", "logout", login.log_out, methods=["POST"])

    def _authorize(self) -> ResponseReturnValue | None:
        if request.endpoint in _PUBLIC_ENDPOINTS:
            return None
        if is_from_another_site(request):
            return abort(403)
        result = self.access.authorize(request)
        if isinstance(result, Response):
            return result
        if result:
            check_arguments(request.args)
            return None
        if self.access.uses_token:
            target = request.root_path + request.full_path.rstrip("?")
            return redirect(url_for(f"{NAME}.login", next=target), 303)
        return abort(403)

    def _finish(self, response: Response) -> Response:
        set_form_cookie(response)
        return set_security_headers(response)

    def _show_error(self, error: ChestError) -> ResponseReturnValue:
        status = 400 if isinstance(error, (QueryError, ConfigError)) else 503
        params = Params.from_args(request.args)
        return make_response(
            self._renderer.render("error", error=str(error), params=params), status
        )


def _close_all(readers: dict[str, Reader]) -> None:
    for reader in readers.values():
        reader.close()
