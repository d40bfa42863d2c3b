"""The ``Dockerflow`` extension: adds views, heartbeat and request summaries to an app."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, overload

from flask import Flask, current_app, request

from ..app.state import with_state
from ..errors import ConfigError
from .checks.builtin import (
    check_database_connected,
    check_migrations_applied,
    check_redis_connected,
)
from .checks.registry import CheckFn, Registry, add_or_decorate, shared_checks
from .chest_heartbeat_check import ChestCheck
from .chest_integration import ChestIntegration, keep_health_routes_silent
from .heartbeat import Heartbeat
from .request_summary import Summary, behind, flask_login_user_id, request_fields
from .settings import chest_settings, heartbeat_settings
from .version import VersionFile
from .views import Views

#: Called with the folder of the version file; returns the version object, or ``None``.
VersionCallback: TypeAlias = Callable[[Any], Any]

_Check = TypeVar("_Check", bound=CheckFn)
_Callback = TypeVar("_Callback", bound=VersionCallback)


class Dockerflow:
    """Adds the endpoints and the log lines that Dockerflow requires of a service.

    The endpoints are ``/__version__``, ``/__heartbeat__``, ``/__lbheartbeat__`` and ``/__error__``.
    Each request logs one ``request.summary``. One object may serve many apps, which then share its
    checks.

    :param app: the app; without it, call :meth:`init_app` later.
    :param db: a Flask-SQLAlchemy extension; adds a check of its connection.
    :param redis: a client of redis-py or a Flask-Redis extension; adds a check of it.
    :param migrate: a Flask-Migrate extension; adds a check of its migrations.
    :param silenced_checks: ids of check messages that the heartbeat ignores.
    :param version_path: the folder of ``version.json``; default: the parent of the app's root path.

    .. versionadded:: 1.0
    """

    def __init__(
        self,
        app: Flask | None = None,
        db: Any = None,
        redis: Any = None,
        migrate: Any = None,
        silenced_checks: Sequence[str] | None = None,
        version_path: str | os.PathLike[str] | None = None,
    ) -> None:
        self.logger = logging.getLogger("dockerflow.flask")
        self.summary_logger = logging.getLogger("request.summary")
        self.silenced_checks = list(silenced_checks or ())
        self.version_path = version_path
        self._registry = Registry()
        self._version_callback: VersionCallback | None = None
        for check, subject in (
            (check_database_connected, db),
            (check_redis_connected, redis),
            (check_migrations_applied, migrate),
        ):
            if subject is not None:
                self._registry.add_partial(check, subject)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add the views and the summary to an app.

        :raises flask_chest.errors.ConfigError: the app has a Dockerflow already, or the value of a
            ``DOCKERFLOW_*`` key is wrong.
        """
        if "dockerflow" in app.extensions:
            raise ConfigError(
                f"the app {app.name!r} has a Dockerflow already; drop one of the two "
                "Dockerflow(app) or init_app(app) calls"
            )
        # Validate now, not at the first heartbeat.
        heartbeat_settings(app.config)
        chest_settings(app.config)
        chest = ChestCheck(app)
        heartbeat = Heartbeat(
            app,
            lambda: shared_checks() | chest.checks() | self._registry.checks,
            lambda: self.silenced_checks,
        )
        version = self._version_reader(app)
        app.register_blueprint(Views(app, self, heartbeat, version).blueprint())
        Summary(app, self, ChestIntegration(app, version)).connect()
        app.extensions["dockerflow"] = self
        with_state(app, keep_health_routes_silent)

    @overload
    def check(self, func: _Check, name: str | None = None) -> _Check: ...

    @overload
    def check(self, func: None = None, name: str | None = None) -> Callable[[_Check], _Check]: ...

    def check(
        self, func: _Check | None = None, name: str | None = None
    ) -> _Check | Callable[[_Check], _Check]:
        """Register a check for the apps of this Dockerflow: ``@dockerflow.check`` or
        ``@dockerflow.check(name="...")``.

        :param func: called without arguments; returns a list of messages. It may be ``async``.
        :param name: the check's name in the heartbeat; default: the function's name.
        :raises TypeError: ``func`` is not callable, or has no name.
        """
        return add_or_decorate(self._registry, func, name)

    def init_check(self, check: CheckFn, obj: Any) -> CheckFn:
        """Register a check that is called with ``obj``."""
        return self._registry.add_partial(check, obj)

    @property
    def checks(self) -> dict[str, CheckFn]:
        """The checks registered on this Dockerflow, by name."""
        return self._registry.checks

    def version_callback(self, func: _Callback) -> _Callback:
        """Decorate a function that returns the version object instead of ``version.json``.

        :param func: called with the folder of ``version.json``; returns a dict, or ``None``.
        """
        self._version_callback = func
        return func

    def user_id(self) -> object:
        """Return the ``uid`` of the request's summary: Flask-Login's user id, unless overridden."""
        return flask_login_user_id(behind(current_app))

    def summary_extra(self) -> dict[str, Any]:
        """Return the fields of the request's summary. Override it to add fields."""
        return request_fields(behind(request), behind(current_app).config, self.user_id())

    def _version_reader(self, app: Flask) -> Callable[[], Any]:
        root = Path(app.root_path).parent if self.version_path is None else self.version_path
        # Without version_path, python-dockerflow calls the callback with a str as well.
        root = str(root) if self.version_path is None else root
        file = VersionFile(root)

        def read() -> Any:
            callback = self._version_callback
            return file.read() if callback is None else callback(root)

        return read
