"""The signals that Flask-Chest sends (`blinker <https://blinker.readthedocs.io>`_).

The sender is the Flask app. If a receiver raises, Flask-Chest logs the exception and goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from blinker import NamedSignal, Namespace

_logger = logging.getLogger("flask_chest.signals")
_signals = Namespace()

#: A record was made. Keyword: ``record`` (:class:`~flask_chest.Record`). Sent in the request
#: thread, so a slow receiver makes the request slow.
record_captured = _signals.signal("record-captured")

#: A chest accepted a batch. Keywords: ``chest`` (its name), ``count``.
batch_delivered = _signals.signal("batch-delivered")

#: A chest did not accept a batch. Keywords: ``chest`` (its name), ``error``, ``count``.
delivery_failed = _signals.signal("delivery-failed")

#: Records are lost. Keywords: ``chest`` (its name), ``reason``, ``count``.
records_lost = _signals.signal("records-lost")


def announce(signal: NamedSignal, sender: object, **details: object) -> None:
    """Send a signal to all receivers; log the exception of a receiver that fails."""
    if not signal.receivers:
        return
    for receiver in signal.receivers_for(sender):
        _call(signal, receiver, sender, details)


def announce_for_all(signal: NamedSignal, senders: Iterable[object], **details: object) -> None:
    """Send a signal of several apps; a receiver that listens to several gets it once."""
    if not signal.receivers:
        return
    called = []
    for sender in senders:
        for receiver in signal.receivers_for(sender):
            if receiver not in called:
                called.append(receiver)
                _call(signal, receiver, sender, details)


def _call(
    signal: NamedSignal, receiver: Callable[..., object], sender: object, details: dict[str, object]
) -> None:
    try:
        receiver(sender, **details)
    except Exception:  # the app's receiver must not break a request or delivery
        _logger.exception("a receiver of the signal %r failed", signal.name)
