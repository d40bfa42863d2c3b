"""The signals of the heartbeat.

Each is sent once for a heartbeat that was asked for, with ``level``, the highest level that a check
found. Receivers connected for the Flask app and for the :class:`~flask_chest.dockerflow.Dockerflow`
both hear it. A receiver that raises is logged, and nothing else happens::

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

#: All checks are below error. Keyword: ``level``.
heartbeat_passed = dockerflow_signals.signal("heartbeat-passed")

#: A check is at error or above. Keyword: ``level``.
heartbeat_failed = dockerflow_signals.signal("heartbeat-failed")


def send_to_all(signal: NamedSignal, senders: tuple[object, ...], **keywords: Any) -> None:
    """Send a signal in the name of several senders, to each receiver once.

    python-dockerflow sends in the extension's name while its documentation connects for the app;
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
