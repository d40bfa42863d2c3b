"""``FlaskChest``: the Flask extension. ``init_app()`` wires everything into an app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from flask import Blueprint, Flask, current_app

from .app.blueprint_tracking import BlueprintTracking
from .app.mod_wsgi_warning import warn_of_sub_interpreter
from .app.recorder_builder import start_measuring
from .app.state import AppState, find_state, publish_state
from .capture.current_measurements import current_measurements
from .capture.spans import Span
from .capture.wsgi_middleware import ChestMiddleware
from .config import value_types
from .config.rule_parsing import parse_rule
from .config.settings_validation import check_argument, check_value, read_settings
from .errors import ConfigError
from .typing import RequestIdGenerator, TrackedVars

if TYPE_CHECKING:
    from .dashboard.access import AccessCheck
    from .dashboard.blueprint import Dashboard


class _Unset:
    """The type of a keyword argument that was not given; ``None`` means something else."""

    def __repr__(self) -> str:
        return "<unset>"  # in signatures


_UNSET: Any = _Unset()


class FlaskChest:
    """Records each request of an app, with the values that its views put on ``flask.g``.

    ``FlaskChest(app)``, or ``chest = FlaskChest()`` and later ``chest.init_app(app)``. One object
    serves many apps. Keyword arguments win over the app's config; see the configuration reference.

    :param app: the app to record; ``None`` to call :meth:`init_app` later.
    :param chests: replaces ``CHEST_CHESTS``.
    :param tracked_vars: replaces ``CHEST_TRACKED_VARS``.
    :param rules: replaces ``CHEST_RULES``.
    :param request_id_generator: called for each request without an acceptable id of its own; the
        returned value becomes the request id, as text of at most 255 characters.
    :param scheduler: a running APScheduler scheduler, or Flask-APScheduler's extension, that runs
        the delivery; by default the delivery starts a scheduler of its own.
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
            name: check_value(f"CHEST_{name.upper()}", value)
            for name, value in given.items()
            if value is not _UNSET
        }
        self._request_id_generator = check_argument(
            "request_id_generator",
            request_id_generator,
            value_types.optional(value_types.function),
        )
        self._scheduler = check_argument(
            "scheduler", scheduler, value_types.optional(value_types.scheduler)
        )
        self._tracked: list[BlueprintTracking] = []
        self._access_check: AccessCheck | None = None
        # The app itself holds its state: a reference here would keep the app alive forever.
        self._apps: WeakSet[Flask] = WeakSet()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read the app's config and start to record its requests.

        :param app: the app; its routes may be added later.
        :raises ConfigError: a setting is wrong, or the app has a ``FlaskChest`` already.
        """
        if "chest" in app.extensions:
            raise ConfigError(
                f"the app {app.name!r} has a FlaskChest already; call init_app() once, "
                "and name all chests in CHEST_CHESTS"
            )
        settings = replace(read_settings(app.config), **self._arguments)
        if not settings.enabled:
            self._register(app)
            return
        warn_of_sub_interpreter()
        state = AppState(
            app,
            settings,
            scheduler=self._scheduler,
            request_id_generator=self._request_id_generator,
        )
        for tracking in self._tracked:
            state.track(tracking)
        dashboard = None if settings.dashboard is False else self._build_dashboard(app, state)
        # No ConfigError from here on: an app with a wrong setting has not been changed.
        self._register(app)
        state.hooks.connect()
        start_measuring(app, settings)
        app.wsgi_app = ChestMiddleware(app.wsgi_app, state.recorder)  # type: ignore[method-assign]
        if dashboard is not None:
            dashboard.register()
            state.on_close(dashboard.close)
        publish_state(app, state)

    def track(
        self,
        blueprint_or_name: Blueprint | str,
        tracked_vars: TrackedVars = _UNSET,
        **options: Any,
    ) -> None:
        """Set what the routes of a blueprint track, in every app of this extension.

        :param blueprint_or_name: the blueprint, wherever it is registered, or its full name.
        :param tracked_vars: like a rule's ``track``; without it only ``options`` are set.
        :param options: further options of a rule: ``methods``, ``chests``, ``sample``, ``record``.
        :raises ConfigError: an option is wrong.
        """
        if tracked_vars is not _UNSET:
            options = {"track": tracked_vars, **options}
        tracking = BlueprintTracking(blueprint_or_name, options)
        states = [state for state in map(find_state, list(self._apps)) if state is not None]
        # Validated for all apps before any app changes. The names of chests depend on the app, so
        # without an app only the other options can be validated.
        parse_rule(tracking.rule(), tracking.source)
        for state in states:
            parse_rule(tracking.rule(), tracking.source, state.plans.rules.chest_names)
        self._tracked.append(tracking)
        for state in states:
            state.track(tracking)

    def dashboard_access(self, check: AccessCheck) -> AccessCheck:
        """Set the function that decides who may see the dashboard, before :meth:`init_app`::

            chest = FlaskChest()

            @chest.dashboard_access
            def is_admin():
                return current_user.is_authenticated and current_user.is_admin

        :param check: called within the request for every page of the dashboard. A true result
            grants access and a false result is answered with 403. A response, such as a redirect
            to the app's own login, is returned as it is. The function takes precedence over
            ``CHEST_DASHBOARD_TOKEN``.
        :returns: the function, so that this method works as a decorator.
        :raises ConfigError: ``check`` is not callable.

        .. versionadded:: 1.0
        """
        self._access_check = check_argument("dashboard_access", check, value_types.function)
        return check

    def span(self, name: str) -> Span:
        """Measure a part of a request or job, as a context manager or as a decorator::

            with chest.span("price"):
                g.total = price(cart)

        The record has the milliseconds as the variable ``span.NAME.ms``.

        :param name: see :class:`~flask_chest.capture.spans.Span`.

        .. versionadded:: 1.0
        """
        return Span(name)

    def note_error(self, error: BaseException) -> None:
        """Record an exception that the app has handled, with the current request or job.

        The record has the number of such exceptions as ``error.handled``, and class and
        fingerprint of the first one; :confval:`CHEST_ERRORS` adds its message and traceback. It
        has no ``error``, as the request did not fail. Sampling keeps it. Outside of a request or
        job, nothing happens.

        :param error: the exception, usually in its ``except`` block.

        .. versionadded:: 1.0
        """
        measurements = current_measurements()
        if measurements is not None and isinstance(error, BaseException):
            measurements.note(error)

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver all records that this process has captured.

        :param timeout: seconds to wait; by default as long as one attempt of every chest takes.
        :returns: ``True`` if every record was accepted or rejected, ``False`` if some still wait.
            If an agent delivers, this method only waits, and all records of the app count.
        """
        flushed = [state.delivery.flush(timeout) for state in self._states()]
        return all(flushed)

    def close(self) -> None:
        """Deliver what ``CHEST_SHUTDOWN_TIMEOUT`` allows, and stop.

        Called automatically when the process exits. A later request starts the delivery again.
        """
        for finish in [state.start_close() for state in self._states()]:
            finish()

    def stats(self) -> dict[str, Any]:
        """Return the ledger: the number of records per chest, by what happened to them.

        With the disk buffer the numbers cover all processes, including those that have ended.

        :returns: ``{"chests": {name: {"captured", "delivered", "pending", "rejected",
            "lost": {reason: number}}}}``; always captured = delivered + pending + rejected + lost.
            With a dashboard that has a token, also ``"dashboard": {"failed_logins": number}``.
        """
        if self._current_apps() and not self._states():
            return {"chests": {}}  # recording is off; the app's own code need not care
        return self.of().ledger()

    def of(self, app: Flask | None = None) -> AppState:
        """Return the state of one app: of the given app, the current app, or the only one.

        :raises RuntimeError: it is ambiguous which app is meant, or recording is off.
        """
        found = self._states() if app is None else [find_state(app)]
        if len(found) == 1 and found[0] is not None:
            return found[0]
        raise RuntimeError(
            "which app? This FlaskChest serves several apps, or none that is recorded; "
            "call this within app.app_context()"
        )

    def _states(self) -> list[AppState]:
        return [state for state in map(find_state, self._current_apps()) if state is not None]

    def _current_apps(self) -> list[Flask]:
        """Return the current app if it uses this extension, else all apps that do."""
        if current_app and current_app._get_current_object() in self._apps:  # type: ignore[attr-defined]
            return [current_app._get_current_object()]  # type: ignore[attr-defined]
        return list(self._apps)

    def _build_dashboard(self, app: Flask, state: AppState) -> Dashboard:
        from .dashboard.blueprint import Dashboard

        return Dashboard(app, state, self._access_check)

    def _register(self, app: Flask) -> None:
        app.extensions["chest"] = self
        self._apps.add(app)
