"""The Dockerflow extension: joins version, heartbeat and summary, owns none of their work."""

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
from .chest_check import ChestCheck
from .chest_integration import ChestIntegration, keep_health_routes_silent
from .heartbeat import Heartbeat
from .settings import chest_settings, heartbeat_settings
from .summary import Summary, behind, flask_login_user_id, request_fields
from .version import VersionFile
from .views import Views

#: Gets the folder that holds the version file; returns the version object, or ``None``.
VersionCallback: TypeAlias = Callable[[Any], Any]

_Check = TypeVar("_Check", bound=CheckFn)
_Callback = TypeVar("_Callback", bound=VersionCallback)


class Dockerflow:
    """What a Flask service needs to be run by others.

    Adds ``/__version__``, ``/__heartbeat__``, ``/__lbheartbeat__`` and ``/__error__``, and logs one
    ``request.summary`` for each request. One object may serve many apps; its checks are theirs.

    :param app: the app; without it, call :meth:`init_app` later.
    :param db: a Flask-SQLAlchemy extension, whose connection is then checked.
    :param redis: a client of redis-py or a Flask-Redis extension, which is then checked.
    :param migrate: a Flask-Migrate extension, whose migrations are then checked.
    :param silenced_checks: ids of check messages to leave out.
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

        :raises flask_chest.errors.ConfigError: the app has a Dockerflow already, or a
            ``DOCKERFLOW_*`` key has a value that cannot be.
        """
        if "dockerflow" in app.extensions:
            raise ConfigError(
                f"the app {app.name!r} has a Dockerflow already; drop one of the two "
                "Dockerflow(app) or init_app(app) calls"
            )
        # A wrong value shows now, not at the first heartbeat.
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

        :param func: called without arguments, may be ``async``; returns a list of messages.
        :param name: how the heartbeat calls it; default: the function's name.
        :raises TypeError: it cannot be called, or has no name.
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
        """Decorate a function that gives the version object in place of ``version.json``.

        :param func: gets the folder that would hold the file; returns a dict, or ``None``.
        """
        self._version_callback = func
        return func

    def user_id(self) -> object:
        """The ``uid`` of the request's summary: Flask-Login's user. Override for other logins."""
        return flask_login_user_id(behind(current_app))

    def summary_extra(self) -> dict[str, Any]:
        """The fields of the request's summary. Override to add some."""
        return request_fields(behind(request), behind(current_app).config, self.user_id())

    def _version_reader(self, app: Flask) -> Callable[[], Any]:
        root = Path(app.root_path).parent if self.version_path is None else self.version_path
        # python-dockerflow hands the callback a text where nobody named a folder.
        root = str(root) if self.version_path is None else root
        file = VersionFile(root)

        def read() -> Any:
            callback = self._version_callback
            return file.read() if callback is None else callback(root)

        return read
