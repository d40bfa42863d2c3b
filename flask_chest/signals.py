"""The signals that Flask-Chest sends (`blinker <https://blinker.readthedocs.io>`_).

The sender is the Flask app; for a decorated view of an app without a ``FlaskChest`` it is that
app as well. A receiver that raises is logged, and nothing else happens.
"""

from __future__ import annotations

import logging

from blinker import NamedSignal, Namespace

_logger = logging.getLogger("flask_chest.signals")
_signals = Namespace()

#: A record was made. Keyword: ``record`` (:class:`~flask_chest.Record`). Sent in the request
#: thread, so a receiver's time is the request's time.
record_captured = _signals.signal("record-captured")

#: A chest accepted a batch. Keywords: ``chest`` (its name), ``count``.
batch_delivered = _signals.signal("batch-delivered")

#: A chest did not accept a batch. Keywords: ``chest`` (its name), ``error``, ``count``.
delivery_failed = _signals.signal("delivery-failed")

#: Records are gone for good. Keywords: ``chest`` (its name), ``reason``, ``count``.
records_lost = _signals.signal("records-lost")


def announce(signal: NamedSignal, sender: object, **details: object) -> None:
    """Send a signal; a receiver that raises is logged and keeps nobody else from hearing it."""
    if not signal.receivers:
        return
    for receiver in signal.receivers_for(sender):
        try:
            receiver(sender, **details)
        except Exception:  # a receiver's fault must not be felt
            _logger.exception("a receiver of the signal %r failed", signal.name)
