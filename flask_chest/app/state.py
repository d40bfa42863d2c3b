"""What Flask-Chest holds for one app: its settings, its chests, its recorder, its delivery."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from flask import Blueprint, Flask

from .._process import ProcessLock
from ..capture.encoder import RecordEncoder
from ..capture.encoding_cache import EncodingCache
from ..capture.hooks import FlaskHooks
from ..capture.recorder import Recorder, RecordSink
from ..capture.routes import routes_of
from ..chests.base import AppInfo, Chest
from ..chests.registry import assign_unique_names, locations_by_name, make_chests
from ..config import settings as config
from ..config.plan import Override
from ..config.plan_cache import PlanCache
from ..config.rule import Rule, parse_rule
from ..config.ruleset import build_ruleset
from ..config.settings import Settings
from ..delivery.buffer import Buffer, LossListener
from ..delivery.dead_letters import DeadLetters
from ..delivery.exporter import Exporter
from ..delivery.journal.buffer import JournalBuffer, Reads
from ..delivery.journal.framing import MAX_CHESTS
from ..delivery.journal.scope import JournalScope
from ..delivery.journal.totals import add_rejected, warn_of_undelivered
from ..delivery.ledger import Ledger
from ..delivery.memory_buffer import MemoryBuffer
from ..delivery.synchronous import SynchronousDelivery
from ..delivery.worker import DeliveryConfig
from ..errors import ConfigError
from ..operations.retention import Maintenance
from ..typing import RequestIdGenerator
from .decorations import decoration_of, decorations


@dataclass(frozen=True, slots=True)
class BlueprintTracking:
    """What one call of ``track()`` says.

    :param blueprint: the blueprint, or its full name.
    :param options: a rule's options.
    """

    blueprint: Blueprint | str
    options: dict[str, Any]

    @property
    def source(self) -> str:
        """What messages call it."""
        return f"track({self.name!r})"

    @property
    def name(self) -> str:
        """The blueprint's name, as far as it is known without an app."""
        return self.blueprint.name if isinstance(self.blueprint, Blueprint) else self.blueprint

    def rule(self, name: str | None = None) -> dict[str, Any]:
        """The rule.

        :param name: the name under which the app knows the blueprint.
        """
        return {"blueprint": name or self.name, **self.options}


_logger = logging.getLogger("flask_chest")


#: The key in ``app.extensions`` under which an app's :class:`AppState` is stored.
STATE_KEY = "chest.state"


class Delivery(Protocol):
    def hand_over(self, line: bytes, mask: int) -> None: ...
    def flush(self, timeout: float | None = None) -> bool: ...
    def ledger(self) -> Ledger: ...
    def oldest_pending(self, chest: str) -> int | None: ...
    def close(self) -> None: ...


class AppState:
    """Everything of one app.

    :param app: the app.
    :param settings: its checked config.
    :param scheduler: an APScheduler that the app lends.
    :param request_id_generator: makes request ids.
    :raises ConfigError: a chest or a rule is wrong.
    """

    def __init__(
        self,
        app: Flask,
        settings: Settings,
        *,
        scheduler: Any = None,
        request_id_generator: RequestIdGenerator | None = None,
    ) -> None:
        _refuse_contradictions(settings)
        self.app = app
        self.settings = settings
        self.chests = make_chests(settings.chests)
        _refuse_too_many("CHEST_CHESTS", len(self.chests))
        self._adopt(self.chests)
        #: Those of ``CHEST_CHESTS``; decorators' join the others later.
        self.configured_chests = tuple(self.chests)
        self._scheduler = scheduler
        self._joining = ProcessLock()
        self._closers: list[Callable[[], None]] = []
        self._tracked: list[BlueprintTracking] = []
        self.plans = PlanCache(
            build_ruleset(settings, [chest.name for chest in self.chests]),
            entry=EncodingCache,
            late=self._late_rules,
            routes=lambda: routes_of(app),
            override_of=self._override_of,
            report=_report_unmatched,
        )
        if settings.buffer != "disk":
            warn_of_undelivered(self.journal_scope, settings.buffer)
        self.delivery: Delivery = self._make_delivery()
        self.sink = RecordSink(self.delivery.hand_over)
        encoder = RecordEncoder(
            settings.redact, settings.max_value_bytes, settings.max_record_bytes
        )
        self.recorder = Recorder(
            app,
            plans=self.plans,
            encoder=encoder,
            sink=self.sink,
            tags=settings.tags,
            default_tags=_version_tag(app),
            slow_ms=settings.slow_ms,
            request_id_header=settings.request_id_header,
            request_id_generator=request_id_generator,
        )
        self.hooks = FlaskHooks(self.recorder)

    @property
    def journal_dir(self) -> Path:
        """The folder of the journal."""
        return Path(self.app.instance_path) / (self.settings.journal_dir or "chest-journal")

    @property
    def journal_scope(self) -> JournalScope:
        """The app's part of the journal, for its chests of this moment."""
        return JournalScope(
            self.journal_dir,
            self.app.name,
            tuple(chest.name for chest in self.chests),
            locations_by_name(self.chests),
        )

    def attach_chests(self, chests: Iterable[Chest]) -> tuple[str, ...]:
        """Take in chests that a decorator names; they get the records of its views only.

        :returns: their names here.
        :raises ConfigError: there are too many.
        """
        listed = list(chests)
        # Two first requests at once would each find the same chests to be new.
        with self._joining.mine:
            new = [chest for chest in listed if chest not in self.chests]
            if new:
                self._attach_new(new)
        return tuple(chest.name for chest in listed)

    def attach_decorated_chests(self) -> None:
        """Take in the chests of all decorators, in the order of their views.

        What waits in the journal is kept by a chest's name. In the order of first requests another
        process, or the next start, could call another chest by it.
        """
        for decoration in decorations(self.app):
            decoration.attach_to(self)

    def _attach_new(self, new: Sequence[Chest]) -> None:
        _refuse_too_many("flask_chest(chests)", len(self.chests) + len(new))
        # Those that are here keep their names: under these records wait for them in the journal.
        assign_unique_names(new, [chest.name for chest in self.chests])
        self._adopt(new)
        self.chests += new
        self.plans.rules.add_chests(chest.name for chest in new)
        self._replace_delivery()
        self.plans.invalidate()

    def track(self, tracked: BlueprintTracking) -> None:
        """Take in what ``track()`` said.

        :raises ConfigError: it is wrong for this app.
        """
        if isinstance(tracked.blueprint, str):
            self.plans.add_rule(tracked.rule(), tracked.source)
            return
        parse_rule(tracked.rule(), tracked.source, self.plans.rules.chest_names)
        self._tracked.append(tracked)
        self.plans.invalidate()

    def _late_rules(self) -> Iterable[tuple[dict[str, Any], str]]:
        # A blueprint's name says little: it may be registered later, within another, or twice.
        while self._tracked:
            each = self._tracked.pop(0)
            known = self.app.blueprints.items()
            names = [name for name, blueprint in known if blueprint is each.blueprint]
            for rule in map(each.rule, names or [each.name]):
                yield rule, each.source

    def _replace_delivery(self) -> None:
        before, self.delivery = self.delivery, self._make_delivery()
        self.sink.hand_over = self.delivery.hand_over
        # It may have to wait for a store, and this may be a request.
        threading.Thread(target=before.close, name="flask-chest-close", daemon=True).start()

    def on_close(self, closer: Callable[[], None]) -> None:
        """Have something closed with it that the rooms above have opened.

        :param closer: called on each :meth:`close`.
        """
        self._closers.append(closer)

    def close(self) -> None:
        """Deliver what can be within ``CHEST_SHUTDOWN_TIMEOUT``, and let go of everything."""
        self.delivery.close()
        for closer in self._closers:
            closer()

    def bind_chests(self, chests: Iterable[Chest]) -> None:
        """Tell chests of this app; one that knows an app already keeps to it."""
        app_info = AppInfo(
            instance_path=Path(self.app.instance_path),
            timeout=self.settings.export_timeout,
            retention_seconds=self.settings.retention,
            app_name=self.app.name,
        )
        for chest in chests:
            chest.bind(app_info)

    def _adopt(self, chests: Sequence[Chest]) -> None:
        self.bind_chests(chests)
        for chest in chests:
            chest.name_is_fixed = True

    def agent(self) -> Exporter:
        """An exporter for a process of its own, which delivers what all others captured.

        :raises ConfigError: the buffer is not on disk.
        """
        if self.settings.buffer != "disk":
            raise ConfigError(
                f"CHEST_BUFFER: with {self.settings.buffer!r} there is no journal for an agent; "
                "set it to 'disk'"
            )
        return self._exporter(Reads.ALL)

    def _make_delivery(self) -> Delivery:
        if self.settings.buffer == "none":
            return SynchronousDelivery(self.chests, self.app)
        delivers = self.settings.exporter == "thread"
        return self._exporter(Reads.OWN_AND_ORPHANED if delivers else Reads.NOTHING)

    def _exporter(self, reads: Reads) -> Exporter:
        settings = self.settings
        root = self.journal_dir
        return Exporter(
            DeliveryConfig(
                name=self.app.name,
                signal_sender=self.app,
                chests=list(self.chests),
                make_buffer=self._buffer_maker(reads),
                on_rejected=self._add_dead_letters,
                batch_size=settings.batch_size,
                interval=settings.export_interval,
                shutdown_timeout=settings.shutdown_timeout,
                scheduler=self._scheduler,
                delivers=reads is not Reads.NOTHING,
                maintenance=self._maintenance(),
                buffer_location=f"the journal {root}" if settings.buffer == "disk" else "memory",
            )
        )

    def _add_dead_letters(self, chest: str, lines: Sequence[bytes], reason: str) -> None:
        DeadLetters(self.journal_scope, chest).add(lines, reason)
        if self.settings.buffer != "disk":
            add_rejected(self.journal_scope, chest, len(lines))

    def _maintenance(self) -> Callable[[threading.Event], None] | None:
        if not any(chest.needs_maintenance for chest in self.chests):
            return None
        return Maintenance(self.chests, self.settings.retention).run

    def _buffer_maker(self, reads: Reads) -> Callable[[LossListener], Buffer]:
        most = self.settings.buffer_max_bytes
        if self.settings.buffer == "memory":
            names = [chest.name for chest in self.chests]
            return lambda on_lost: MemoryBuffer(names, most, on_lost)
        scope = self.journal_scope
        return lambda on_lost: JournalBuffer(scope, most, on_lost, reads)

    def _override_of(self, endpoint: str | None) -> Override | None:
        # Before the first record, also of what has no view: delivery that has begun would be made
        # anew, and what waits in memory, and its ledger, would be gone.
        self.attach_decorated_chests()
        decoration = None if endpoint is None else decoration_of(self.app, endpoint)
        return None if decoration is None else decoration.attach_to(self)


def _refuse_contradictions(settings: Settings) -> None:
    if settings.exporter == "agent" and settings.buffer != "disk":
        raise ConfigError(
            f"CHEST_EXPORTER: 'agent' delivers what lies in the journal, and with CHEST_BUFFER "
            f"{settings.buffer!r} there is none; use 'disk', or 'thread'"
        )


def _refuse_too_many(key: str, count: int) -> None:
    if count > MAX_CHESTS:
        raise ConfigError(
            f"{key}: {count} chests are too many; at most {MAX_CHESTS} in an app, those that "
            "decorators name among them; decorators can share chests"
        )


def _report_unmatched(rules: list[Rule]) -> None:
    for rule in rules[:10]:
        _logger.warning("%s matches no route of the app: %s", rule.source, rule.selector_text)
    if len(rules) > 10:
        _logger.warning("%d more rules match no route; see: flask chest rules", len(rules) - 10)


def _version_tag(app: Flask) -> dict[str, str]:
    """The version in Dockerflow's ``version.json``, which lies beside the app's package."""
    path = Path(app.root_path).parent / "version.json"
    try:
        version = json.loads(path.read_text(encoding="utf-8"))["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {"version": version} if isinstance(version, str) and version else {}


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


#: The key in ``app.extensions`` for the state of an app without a ``FlaskChest``.
STANDALONE_KEY = "chest.standalone"


def standalone_state(app: Flask) -> AppState | None:
    """Return the state that decorated views use in an app without a ``FlaskChest``.

    :returns: ``None`` if recording is off.
    """
    if STANDALONE_KEY not in app.extensions:
        settings = replace(config.read_settings(app.config), chests=[])
        made = AppState(app, settings) if settings.enabled else None
        app.extensions.setdefault(STANDALONE_KEY, made)
    state: AppState | None = app.extensions[STANDALONE_KEY]
    return state
