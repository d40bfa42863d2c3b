"""``FlaskChest``: joins the rooms, and does none of their work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from flask import Blueprint, Flask, current_app

from .app.state import STATE_KEY, AppState, BlueprintTracking, find_state
from .capture.middleware import ChestMiddleware
from .config import settings as config
from .config import validators as checks
from .config.rule import parse_rule
from .errors import ConfigError
from .typing import RequestIdGenerator, TrackedVars

if TYPE_CHECKING:
    from .dashboard.access import AccessCheck
    from .dashboard.blueprint import Dashboard


class _Unset:
    """A keyword argument that was not given; ``None`` is a value of ``tracked_vars``."""

    def __repr__(self) -> str:
        return "<unset>"  # in signatures


_UNSET: Any = _Unset()


class FlaskChest:
    """Leaves one record per request of an app, with what its views put on ``flask.g``.

    ``FlaskChest(app)``, or ``chest = FlaskChest()`` and later ``chest.init_app(app)``. One object
    serves many apps. Keyword arguments win over the app's config; see the configuration reference.

    :param app: the app to record; ``None`` to call :meth:`init_app` later.
    :param chests: in place of ``CHEST_CHESTS``.
    :param tracked_vars: in place of ``CHEST_TRACKED_VARS``.
    :param rules: in place of ``CHEST_RULES``.
    :param request_id_generator: called for each request that brings no acceptable id of its own;
        what it returns becomes the request id, as text of at most 255 characters.
    :param scheduler: a running APScheduler scheduler, or Flask-APScheduler's extension, on which
        delivery is to run; by default it runs on one of its own.
    :raises ConfigError: a setting is wrong, or the app has a ``FlaskChest`` already.

    .. versionadded:: 1.0
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        chests: Sequence[Any] = _UNSET,
        tracked_vars: TrackedVars = _UNSET,
        rules: Sequence[Mapping[str, Any]] = _UNSET,
        request_id_generator: RequestIdGenerator | None = None,
        scheduler: Any = None,
    ) -> None:
        given = {"chests": chests, "tracked_vars": tracked_vars, "rules": rules}
        self._arguments = {
            name: config.check_value(f"CHEST_{name.upper()}", value)
            for name, value in given.items()
            if value is not _UNSET
        }
        self._request_id_generator = config.check_argument(
            "request_id_generator", request_id_generator, checks.optional(checks.function)
        )
        self._scheduler = config.check_argument(
            "scheduler", scheduler, checks.optional(checks.scheduler)
        )
        self._tracked: list[BlueprintTracking] = []
        self._access_check: AccessCheck | None = None
        # The app itself holds its state: a value here would keep its key alive forever.
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read the app's config and record its requests from now on.

        :param app: the app; its routes may be added later.
        :raises ConfigError: a setting is wrong, or the app has a ``FlaskChest`` already.
        """
        if "chest" in app.extensions:
            raise ConfigError(
                f"the app {app.name!r} has a FlaskChest already; call init_app() once, "
                "and name all backends in CHEST_CHESTS"
            )
        settings = replace(config.read_settings(app.config), **self._arguments)
        if not settings.enabled:
            self._take_in(app)
            return
        state = AppState(
            app,
            settings,
            scheduler=self._scheduler,
            request_id_generator=self._request_id_generator,
        )
        for tracked in self._tracked:
            state.track(tracked)
        # The last that may find something wrong; up to here the app is as it was.
        dashboard = None if settings.dashboard is False else self._make_dashboard(app, state)
        self._take_in(app)
        app.extensions[STATE_KEY] = state
        state.hooks.connect()
        app.wsgi_app = ChestMiddleware(app.wsgi_app, state.recorder)  # type: ignore[method-assign]
        if dashboard is not None:
            dashboard.register()
            state.on_close(dashboard.close)
        # By name: this floor knows nothing of Dockerflow, and python-dockerflow has no such method.
        meet = getattr(app.extensions.get("dockerflow"), "meet_chest", None)
        if meet is not None:
            meet(app)

    def track(
        self,
        blueprint_or_name: Blueprint | str,
        tracked_vars: TrackedVars = _UNSET,
        **options: Any,
    ) -> None:
        """Say what the routes of a blueprint track, in every app of this extension.

        :param blueprint_or_name: the blueprint, wherever it is registered, or its full name.
        :param tracked_vars: as in a rule's ``track``; left out, only ``options`` are set.
        :param options: a rule's further options: ``methods``, ``chests``, ``sample``, ``record``.
        :raises ConfigError: an option is wrong.
        """
        if tracked_vars is not _UNSET:
            options = {"track": tracked_vars, **options}
        tracked = BlueprintTracking(blueprint_or_name, options)
        everywhere = [state for state in map(find_state, list(self._apps)) if state is not None]
        # All say whether it is right before one takes it in. Chests are an app's, so before the
        # first app comes only the rest can be told.
        parse_rule(tracked.rule(), tracked.source)
        for state in everywhere:
            parse_rule(tracked.rule(), tracked.source, state.plans.rules.chest_names)
        self._tracked.append(tracked)
        for state in everywhere:
            state.track(tracked)

    def dashboard_access(self, check: AccessCheck) -> AccessCheck:
        """Say who may see the dashboard; to be called before :meth:`init_app`::

            chest = FlaskChest()

            @chest.dashboard_access
            def is_admin():
                return current_user.is_authenticated and current_user.is_admin

        :param check: called, within the request, for every page of the dashboard. A true answer
            opens it, a false one is answered with 403; a response, such as a redirect to the app's
            own login, is passed on. It goes before ``CHEST_DASHBOARD_TOKEN``.
        :returns: the function, so that this can decorate it.
        :raises ConfigError: it is no function.

        .. versionadded:: 1.0
        """
        self._access_check = config.check_argument("dashboard_access", check, checks.function)
        return check

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver now what this process has captured.

        :param timeout: seconds to wait; by default as long as one try of every chest takes.
        :returns: whether every record was accepted or rejected; ``False`` when some still wait.
            Where an agent delivers, nothing is hurried, and all records of the app count.
        """
        flushed = [state.delivery.flush(timeout) for state in self._state()]
        return all(flushed)

    def close(self) -> None:
        """Deliver what can be within ``CHEST_SHUTDOWN_TIMEOUT``, and stop.

        Called by itself when the process exits. A request that comes later starts delivery again.
        """
        for state in self._state():
            state.close()

    def stats(self) -> dict[str, Any]:
        """The ledger: what became of the records, for each chest.

        With the disk buffer the numbers are those of all processes, living and dead.

        :returns: ``{"chests": {name: {"captured", "delivered", "pending", "rejected",
            "lost": {reason: number}}}}``; always captured = delivered + pending + rejected + lost.
        """
        if self._listed() and not self._state():
            return {"chests": {}}  # switched off, which the app's own code need not know
        return {"chests": self.of().delivery.ledger().to_dict()}

    def of(self, app: Flask | None = None) -> AppState:
        """Return the state of one app: of the given app, the current app, or the only app.

        :raises RuntimeError: it is not known which app is meant, or recording is off.
        """
        found = self._state() if app is None else [find_state(app)]
        if len(found) == 1 and found[0] is not None:
            return found[0]
        raise RuntimeError(
            "which app? This FlaskChest serves several, or none that is recorded; "
            "call this within app.app_context()"
        )

    def _state(self) -> list[AppState]:
        """The current app's, or those of all apps outside of their contexts."""
        return [state for state in map(find_state, self._listed()) if state is not None]

    def _listed(self) -> list[Flask]:
        """The current app, where it is one of ours; else all of ours."""
        if current_app and current_app._get_current_object() in self._apps:  # type: ignore[attr-defined]
            return [current_app._get_current_object()]  # type: ignore[attr-defined]
        return list(self._apps)

    def _make_dashboard(self, app: Flask, state: AppState) -> Dashboard:
        from .dashboard.blueprint import Dashboard

        return Dashboard(app, state, self._access_check)

    def _take_in(self, app: Flask) -> None:
        app.extensions["chest"] = self
        self._apps.add(app)
