"""``FlaskChest``: joins the rooms, and does none of their work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from flask import Blueprint, Flask, current_app

from . import config
from .app_chest import AppChest, blueprint_rule
from .errors import ConfigError
from .middleware import ChestMiddleware
from .typing import RequestIdGenerator, TrackedVars

#: A keyword argument that was not given; ``None`` is a value of ``tracked_vars``.
_UNSET: Any = object()


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
        self._request_id_generator = request_id_generator
        self._scheduler = scheduler
        self._tracked: list[dict[str, Any]] = []
        self._apps: WeakKeyDictionary[Flask, AppChest] = WeakKeyDictionary()
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
        settings = replace(config.read(app.config), **self._arguments)
        app.extensions["chest"] = self
        if not settings.enabled:
            return
        held = AppChest(
            app,
            settings,
            scheduler=self._scheduler,
            request_id_generator=self._request_id_generator,
        )
        for number, rule in enumerate(self._tracked):
            held.plans.add_rule(rule, f"track() call {number + 1}")
        self._apps[app] = held
        held.recorder.listen()
        app.wsgi_app = ChestMiddleware(app.wsgi_app, held.recorder)  # type: ignore[method-assign]

    def track(
        self, blueprint_or_name: Blueprint | str, tracked_vars: TrackedVars = None, **options: Any
    ) -> None:
        """Say what the routes of a blueprint track, in every app of this extension.

        :param blueprint_or_name: the blueprint, or its full name.
        :param tracked_vars: as in a rule's ``track``.
        :param options: a rule's further options: ``methods``, ``chests``, ``sample``, ``record``.
        :raises ConfigError: an option is wrong.
        """
        named = isinstance(blueprint_or_name, Blueprint)
        name = blueprint_or_name.name if named else blueprint_or_name  # type: ignore[union-attr]
        rule = {**blueprint_rule(str(name), tracked_vars), **options}
        if isinstance(tracked_vars, Mapping):
            rule = {"blueprint": str(name), "track": tracked_vars, **options}
        self._tracked.append(rule)
        for held in self._apps.values():
            held.plans.add_rule(rule, f"track({name!r})")

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver now what this process has captured.

        :param timeout: seconds to wait; by default as long as one try of every chest takes.
        :returns: whether every record was accepted or rejected; ``False`` when some still wait.
        """
        flushed = [held.carrier.flush(timeout) for held in self._held()]
        return all(flushed)

    def close(self) -> None:
        """Deliver what can be within ``CHEST_SHUTDOWN_TIMEOUT``, and stop.

        Called by itself when the process exits. A request that comes later starts delivery again.
        """
        for held in self._held():
            held.carrier.close()

    def stats(self) -> dict[str, Any]:
        """The ledger: what became of the records, for each chest.

        With the disk buffer the numbers are those of all processes, living and dead.

        :returns: ``{"chests": {name: {"captured", "delivered", "pending", "rejected",
            "lost": {reason: number}}}}``; always captured = delivered + pending + rejected + lost.
        """
        return {"chests": self.of().carrier.ledger().to_dict()}

    def of(self, app: Flask | None = None) -> AppChest:
        """What is held for one app: the given, the current, or the only one.

        :raises RuntimeError: it is not known which app is meant, or recording is off.
        """
        for held in self._held() if app is None else filter(None, [self._apps.get(app)]):
            if app is not None or len(self._held()) == 1:
                return held
        raise RuntimeError(
            "which app? This FlaskChest serves several, or none that is recorded; "
            "call this within app.app_context()"
        )

    def _held(self) -> list[AppChest]:
        """The current app, or all apps outside of a context."""
        app = current_app._get_current_object() if current_app else None  # type: ignore[attr-defined]
        held = self._apps.get(app) if app is not None else None
        return [held] if held is not None else list(self._apps.values())
