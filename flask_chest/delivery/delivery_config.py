"""How an app's records are delivered, and what apps must have in common to share a pipeline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from .buffer_protocol import Buffer, LossListener
from .sender import ChestLike, RejectionListener


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryConfig:
    """How an app's records are delivered. It must not refer to the app, which may be dropped.

    :param name: the app's name.
    :param chests: where records are sent; their order sets the bits of a mask.
    :param make_buffer: creates the buffer of one process.
    :param on_rejected: stores records that a chest will never accept.
    :param sharing_key: apps with equal keys in one process share buffer and senders; ``None``
        shares with no other app.
    :param batch_size: records per batch.
    :param interval: seconds after which an incomplete batch is sent.
    :param shutdown_timeout: seconds that delivery may take at exit.
    :param scheduler: an APScheduler that belongs to the app; ``None`` uses the exporter's own.
    :param delivers: whether this process delivers; ``False`` if an agent does.
    :param buffer_location: where records wait, for messages.
    :param reopens: whether the buffer can be closed without a loss while the app lives on.
    :param maintenance: maintains the stores; called once a minute with an event that is set when
        the process ends.
    """

    name: str
    chests: Sequence[ChestLike]
    make_buffer: Callable[[LossListener], Buffer]
    on_rejected: RejectionListener
    sharing_key: Hashable = None
    batch_size: int = 1000
    interval: float = 1.0
    shutdown_timeout: float = 2.0
    scheduler: Any = None
    delivers: bool = True
    buffer_location: str = "memory"
    reopens: bool = False
    maintenance: Callable[[threading.Event], None] | None = None
