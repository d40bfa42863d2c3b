"""The signals of the heartbeat.

Each heartbeat sends one of them, with ``level``: the highest level of its checks' messages.
Receivers may connect to the Flask app or to the :class:`~flask_chest.dockerflow.Dockerflow`. If a
receiver raises, the exception is logged and has no other effect::

    @heartbeat_failed.connect_via(app)
    def count_failure(sender, level, **extra):
        statsd.incr("heartbeat.fail")
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal, Namespace

logger = logging.getLogger("dockerflow.flask")

dockerflow_signals = Namespace()

#: Sent if all messages are below error. Keyword: ``level``.
heartbeat_passed = dockerflow_signals.signal("heartbeat-passed")

#: Sent if a message is at error or above. Keyword: ``level``.
heartbeat_failed = dockerflow_signals.signal("heartbeat-failed")


def send_to_all(signal: NamedSignal, senders: tuple[object, ...], **keywords: Any) -> None:
    """Send a signal for several senders, but to each receiver only once.

    In python-dockerflow the sender is the extension, but its documentation connects to the app, so
    users have written both.
    """
    called: list[object] = []
    for sender in senders:
        for receiver in list(signal.receivers_for(sender)):
            if receiver in called:
                continue
            called.append(receiver)
            try:
                receiver(sender, **keywords)
            except Exception:
                logger.exception("a receiver of the signal %s raised", signal.name)
