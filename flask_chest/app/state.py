"""``AppState``: everything that Flask-Chest has for one app, wired together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask

from .._process_lock import ProcessLock
from ..archive.archives import make_archives
from ..capture.encoding_cache import EncodingCache
from ..capture.flask_hooks import FlaskHooks
from ..capture.record_sink import RecordSink
from ..capture.routes import routes_of
from ..chests.base import AppInfo, Chest
from ..chests.chest_names import assign_unique_names
from ..chests.factory import make_chests
from ..chests.sharing import share_chests
from ..config.plan_cache import PlanCache
from ..config.rule_matching import Rule
from ..config.rule_parsing import parse_rule
from ..config.ruleset import build_ruleset
from ..config.settings_validation import Settings, read_settings
from ..delivery.background_delivery import BackgroundDelivery
from ..delivery.journal.app_scope import JournalScope
from ..delivery.journal.backlog import warn_of_undelivered
from ..delivery.journal.record_framing import MAX_CHESTS
from ..errors import ConfigError
from ..typing import RequestIdGenerator
from .blueprint_tracking import BlueprintTracking, PendingBlueprintRules
from .decorated_views import DecorationOverrides
from .delivery_builder import Delivery, build_agent, build_delivery, journal_dir, journal_scope
from .recorder_builder import build_recorder

_logger = logging.getLogger("flask_chest")

#: The key in ``app.extensions`` under which an app's :class:`AppState` is stored.
STATE_KEY = "chest.state"
#: The key in ``app.extensions`` for the state of an app without a ``FlaskChest``.
STANDALONE_KEY = "chest.standalone"
#: The key in ``app.extensions`` for functions that wait for the app's state.
_LISTENERS_KEY = "chest.state-listeners"


class AppState:
    """Everything that Flask-Chest has for one app.

    :param app: the app.
    :param settings: its validated config.
    :param scheduler: an APScheduler that the app lends.
    :param request_id_generator: makes request ids.
    :raises ConfigError: a chest or a rule is wrong, or two settings contradict each other.
    """

    def __init__(
        self,
        app: Flask,
        settings: Settings,
        *,
        scheduler: Any = None,
        request_id_generator: RequestIdGenerator | None = None,
    ) -> None:
        self.app = app
        self.settings = settings
        self._scheduler = scheduler
        self._closers: list[Callable[[], None]] = []
        self._attaching = ProcessLock()
        #: All chests; those of decorators are added when their views become known.
        self.chests = make_chests(settings.chests)
        _check_chest_count("CHEST_CHESTS", len(self.chests))
        #: The archives of the chests.
        self.archives = make_archives(
            settings.archive,
            Path(app.instance_path),
            settings.archive_retention,
            settings.retention,
        )
        self._bind_and_fix_names(self.chests)
        self.chests = share_chests(self.chests)
        #: The chests of ``CHEST_CHESTS``.
        self.configured_chests = tuple(self.chests)
        #: What the decorators of the app's views override.
        self.overrides = DecorationOverrides(app, settings.buffer, self._try_to_attach)
        self._pending_rules = PendingBlueprintRules(app)
        self.plans = self._make_plans()
        if settings.buffer != "disk":
            warn_of_undelivered(self.journal_scope, settings.buffer)
        self.delivery = self._build_delivery()
        #: What the ledger counts besides records: a function for each name.
        self.counts: dict[str, Callable[[], dict[str, Any]]] = {}
        self.sink = RecordSink(app, self.delivery.hand_over, raises=settings.buffer == "none")
        self.recorder = build_recorder(app, settings, self.plans, self.sink, request_id_generator)
        self.hooks = FlaskHooks(self.recorder)

    def _make_plans(self) -> PlanCache[EncodingCache]:
        app = self.app
        return PlanCache(
            build_ruleset(self.settings, [chest.name for chest in self.chests]),
            entry=EncodingCache,
            late=self._pending_rules.take,
            routes=lambda: routes_of(app),
            override_of=self.overrides.of_route,
            report=_log_unmatched_rules,
        )

    def _build_delivery(self) -> Delivery:
        return build_delivery(self.app, self.settings, self.chests, self._scheduler, self.archives)

    @property
    def journal_dir(self) -> Path:
        """The journal's folder."""
        return journal_dir(self.app, self.settings)

    @property
    def journal_scope(self) -> JournalScope:
        """The app's part of the journal, for the chests that the app has now."""
        return journal_scope(self.app, self.settings, self.chests)

    def build_agent(self) -> BackgroundDelivery:
        """Build the delivery of ``flask chest agent``, which delivers for all processes.

        :raises ConfigError: the buffer is not on disk.
        """
        return build_agent(self.app, self.settings, self.chests, self._scheduler, self.archives)

    def track(self, tracking: BlueprintTracking) -> None:
        """Add the rule of a call of ``FlaskChest.track()``.

        :raises ConfigError: the rule is wrong for this app.
        """
        if isinstance(tracking.blueprint, str):
            self.plans.add_rule(tracking.rule(), tracking.source)
            return
        parse_rule(tracking.rule(), tracking.source, self.plans.rules.chest_names)
        self._pending_rules.add(tracking)
        self.plans.invalidate()

    def bind_chests(self, chests: Iterable[Chest]) -> None:
        """Give chests the facts of this app; a chest that is bound to an app stays bound to it."""
        app_info = AppInfo(
            instance_path=Path(self.app.instance_path),
            timeout=self.settings.export_timeout,
            retention_seconds=self.settings.retention,
            app_name=self.app.name,
        )
        for chest in chests:
            chest.bind(app_info)
            self.archives.protect(chest)

    def attach_chests(self, chests: Iterable[Chest]) -> tuple[str, ...]:
        """Add the chests of a decorator; they get the records of its views only.

        :returns: the chests' names in this app.
        :raises ConfigError: the app would have too many chests.
        """
        listed = list(chests)
        # Otherwise two first requests at once would both add the same chests.
        with self._attaching.mine:
            new = [chest for chest in listed if chest not in self.chests]
            if new:
                self._attach_new(new)
        return tuple(chest.name for chest in listed)

    def ledger(self) -> dict[str, Any]:
        """Return the ledger as ``FlaskChest.stats()`` does."""
        counted = {name: count() for name, count in self.counts.items()}
        return {"chests": self.delivery.ledger().to_dict(), **counted}

    def on_close(self, closer: Callable[[], None]) -> None:
        """Call a function on each :meth:`close`."""
        self._closers.append(closer)

    def close(self) -> None:
        """Deliver what ``CHEST_SHUTDOWN_TIMEOUT`` allows, and release all resources."""
        self.start_close()()

    def start_close(self) -> Callable[[], None]:
        """Start to close; return a function that waits for the end, so that apps wait together."""
        finish_delivery = self.delivery.start_close()

        def finish() -> None:
            finish_delivery()
            for closer in self._closers:
                closer()

        return finish

    def _attach_new(self, new: Sequence[Chest]) -> None:
        _check_chest_count("flask_chest(chests)", len(self.chests) + len(new))
        # Chests that the app has keep their names: the journal stores records under these.
        assign_unique_names(new, [chest.name for chest in self.chests])
        self._bind_and_fix_names(new)
        self.chests += new
        self.plans.rules.add_chests(chest.name for chest in new)
        before = self.delivery
        self.delivery = self._build_delivery()
        self.sink.hand_over = self.delivery.hand_over
        self.plans.invalidate()
        # In a thread: closing may wait for a store, and this may run in a request.
        threading.Thread(target=before.close, name="flask-chest-close", daemon=True).start()

    def _bind_and_fix_names(self, chests: Sequence[Chest]) -> None:
        self.bind_chests(chests)
        for chest in chests:
            chest.name_is_fixed = True

    def _try_to_attach(self, chests: Sequence[Chest]) -> tuple[str, ...]:
        try:
            return self.attach_chests(chests)
        except Exception:  # noqa: BLE001 - background delivery never disturbs a response
            self.recorder.log_failure("attach the chests of a decorator")
            return ()


def find_state(app: Flask) -> AppState | None:
    """Return the state of an app; ``None`` if the app has no ``FlaskChest`` or recording is off."""
    state: AppState | None = app.extensions.get(STATE_KEY)
    return state


def get_state(app: Flask) -> AppState:
    """Return the state of an app.

    :raises RuntimeError: the app has no ``FlaskChest``, or ``CHEST_ENABLED`` is ``False``.
    """
    state = find_state(app)
    if state is None:
        raise RuntimeError(
            f"the app {app.name!r} is not recorded: call FlaskChest(app) and leave CHEST_ENABLED on"
        )
    return state


def publish_state(app: Flask, state: AppState) -> None:
    """Store the state on its app and pass it to the functions that wait for it."""
    app.extensions[STATE_KEY] = state
    for listener in app.extensions.pop(_LISTENERS_KEY, ()):
        listener(state)


def with_state(app: Flask, listener: Callable[[AppState], None]) -> None:
    """Call a function with the app's state: now, or as soon as the app has a ``FlaskChest``.

    Other extensions need not care whether they or ``FlaskChest`` are initialized first.
    """
    state = find_state(app)
    if state is not None:
        listener(state)
    else:
        app.extensions.setdefault(_LISTENERS_KEY, []).append(listener)


def standalone_state(app: Flask) -> AppState | None:
    """Return the state that decorated views use in an app without a ``FlaskChest``.

    :returns: ``None`` if recording is off.
    """
    if STANDALONE_KEY not in app.extensions:
        settings = replace(read_settings(app.config), chests=[])
        made = AppState(app, settings) if settings.enabled else None
        app.extensions.setdefault(STANDALONE_KEY, made)
    state: AppState | None = app.extensions[STANDALONE_KEY]
    return state


def _check_chest_count(key: str, count: int) -> None:
    if count > MAX_CHESTS:
        raise ConfigError(
            f"{key}: {count} chests are too many; at most {MAX_CHESTS} in an app, including the "
            "chests of decorators; decorators can share chests"
        )


def _log_unmatched_rules(rules: list[Rule]) -> None:
    for rule in rules[:10]:
        _logger.warning("%s matches no route of the app: %s", rule.source, rule.selector_text)
    if len(rules) > 10:
        _logger.warning("%d more rules match no route; see: flask chest rules", len(rules) - 10)
