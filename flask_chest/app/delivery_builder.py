"""Builds an app's delivery from its settings: exporter, buffer, dead letters and maintenance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, Protocol

from flask import Flask

from ..archive.archives import Archives
from ..chests.base import Chest
from ..chests.chest_names import locations_by_name
from ..config.settings_validation import Settings
from ..delivery.background_delivery import BackgroundDelivery
from ..delivery.buffer_protocol import Buffer, LossListener
from ..delivery.dead_letters import bury
from ..delivery.delivery_config import DeliveryConfig
from ..delivery.flush_per_request import FlushingDelivery
from ..delivery.journal.app_scope import JournalScope
from ..delivery.journal.dead_writer_adoption import Reads
from ..delivery.journal.journal_buffer import JournalBuffer
from ..delivery.journal.ledger_of_all_processes import add_rejected
from ..delivery.ledger import Ledger
from ..delivery.memory_buffer import MemoryBuffer
from ..delivery.sender import RejectionListener
from ..delivery.synchronous_delivery import SynchronousDelivery
from ..errors import ConfigError
from ..operations.background_retention import Maintenance


class Delivery(Protocol):
    """Delivers the records of one app: in the background, or synchronously without a buffer."""

    def hand_over(self, line: bytes, mask: int) -> None:
        """Accept one encoded record; ``mask`` has a bit for each chest that gets it."""

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver all records now; return whether none is left."""

    def ledger(self) -> Ledger:
        """Return how many records each chest got."""

    def oldest_pending(self, chest: str) -> int | None:
        """Return when a chest's oldest undelivered record was made: microseconds since 1970."""

    def close(self) -> None:
        """Deliver as many records as the shutdown timeout allows, and release everything."""

    def start_close(self) -> Callable[[], None]:
        """Start to close; return a function that waits for the end."""


def build_delivery(
    app: Flask, settings: Settings, chests: Sequence[Chest], scheduler: Any, archives: Archives
) -> Delivery:
    """Build what ``CHEST_BUFFER`` and ``CHEST_EXPORTER`` ask for.

    :param chests: the chests that records go to; their order gives the bits of a record's mask.
    :param scheduler: the APScheduler that the app lends; ``None`` starts one.
    :raises ConfigError: the two settings contradict each other.
    """
    if settings.exporter == "agent" and settings.buffer != "disk":
        raise ConfigError(
            f"CHEST_EXPORTER: 'agent' delivers from the journal, and CHEST_BUFFER "
            f"{settings.buffer!r} uses no journal; use 'disk', or 'thread'"
        )
    if settings.buffer == "none":
        return SynchronousDelivery(chests, app)
    reads = Reads.OWN_AND_ORPHANED if settings.exporter == "thread" else Reads.NOTHING
    background = _build_exporter(app, settings, chests, scheduler, archives, reads)
    if settings.flush == "interval":
        return background
    if settings.exporter == "agent":
        raise ConfigError(
            "CHEST_FLUSH: 'request' delivers in the serving process, and with CHEST_EXPORTER "
            "'agent' that does not deliver; use 'thread', or 'interval'"
        )
    return FlushingDelivery(background, settings.shutdown_timeout)


def build_agent(
    app: Flask, settings: Settings, chests: Sequence[Chest], scheduler: Any, archives: Archives
) -> BackgroundDelivery:
    """Build the delivery of ``flask chest agent``: of what all processes captured.

    :raises ConfigError: the buffer is not on disk.
    """
    if settings.buffer != "disk":
        raise ConfigError(
            f"CHEST_BUFFER: with {settings.buffer!r} there is no journal for an agent; "
            "set it to 'disk'"
        )
    return _build_exporter(app, settings, chests, scheduler, archives, Reads.ALL)


def journal_dir(app: Flask, settings: Settings) -> Path:
    """Return the journal's folder; a relative ``CHEST_JOURNAL_DIR`` is in the instance folder."""
    return Path(app.instance_path) / (settings.journal_dir or "chest-journal")


def journal_scope(app: Flask, settings: Settings, chests: Sequence[Chest]) -> JournalScope:
    """Return the app's part of the journal."""
    return JournalScope(
        journal_dir(app, settings),
        app.name,
        tuple(chest.name for chest in chests),
        locations_by_name(chests),
        app.root_path,
        app.instance_path,
    )


def _build_exporter(
    app: Flask,
    settings: Settings,
    chests: Sequence[Chest],
    scheduler: Any,
    archives: Archives,
    reads: Reads,
) -> BackgroundDelivery:
    scope = journal_scope(app, settings, chests)
    on_disk = settings.buffer == "disk"
    return BackgroundDelivery(
        DeliveryConfig(
            name=app.name,
            chests=list(chests),
            make_buffer=_buffer_maker(settings, scope, reads),
            on_rejected=_dead_letter_writer(scope, settings, count_in_totals=not on_disk),
            batch_size=settings.batch_size,
            interval=settings.export_interval,
            shutdown_timeout=settings.shutdown_timeout,
            scheduler=scheduler,
            delivers=reads is not Reads.NOTHING,
            maintenance=_maintenance(settings, chests, archives),
            buffer_location=f"the journal {scope.root}" if on_disk else "memory",
            reopens=on_disk,
            sharing_key=_sharing_key(settings, scope, chests, scheduler, archives, reads),
        ),
        app,
    )


def _sharing_key(
    settings: Settings,
    scope: JournalScope,
    chests: Sequence[Chest],
    scheduler: Any,
    archives: Archives,
    reads: Reads,
) -> Hashable:
    """Return what apps of one process must have in common to share a journal and its senders."""
    if settings.buffer != "disk":
        return None  # each app has its own ledger in memory
    return (
        *(scope.root, scope.app_name, scope.root_path, scope.instance_path, reads),
        *(settings.buffer_max_bytes, settings.batch_size, settings.export_interval),
        *(settings.shutdown_timeout, settings.retention, archives.place, archives.retention),
        *(tuple(chests), id(scheduler)),
    )


def _buffer_maker(
    settings: Settings, scope: JournalScope, reads: Reads
) -> Callable[[LossListener], Buffer]:
    max_bytes = settings.buffer_max_bytes
    if settings.buffer == "memory":
        return lambda on_lost: MemoryBuffer(scope.chests, max_bytes, on_lost)
    return lambda on_lost: JournalBuffer(scope, max_bytes, on_lost, reads)


def _dead_letter_writer(
    scope: JournalScope, settings: Settings, *, count_in_totals: bool
) -> RejectionListener:
    def write(chest: str, lines: Sequence[bytes], reason: str) -> None:
        bury(scope, chest, lines, reason, settings.buffer_max_bytes)
        # A memory buffer's ledger ends with the process, and a replay subtracts from the totals.
        if count_in_totals:
            add_rejected(scope, chest, len(lines))

    return write


def _maintenance(
    settings: Settings, chests: Sequence[Chest], archives: Archives
) -> Callable[[threading.Event], None] | None:
    if not any(chest.needs_maintenance for chest in chests):
        return None
    return Maintenance(chests, settings.retention, archives).run
