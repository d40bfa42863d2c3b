"""Passes the encoded records of one app on: to the receivers of its signal, and to delivery."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from ..record.json_line import decode
from ..signals import announce, record_captured


class RecordSink:
    """Where the records of one app go. The app replaces :attr:`hand_over` with its delivery.

    :param app: the app.
    :param hand_over: takes an encoded record and the mask of its chests.
    :param raises: whether its exceptions reach the request.
    """

    __slots__ = ("_app", "hand_over", "raises")

    def __init__(
        self, app: Flask, hand_over: Callable[[bytes, int], None], *, raises: bool
    ) -> None:
        self._app = app
        self.hand_over = hand_over
        self.raises = raises

    def announce(self, line: bytes) -> None:
        """Send the signal ``record_captured``, if anyone listens."""
        if record_captured.receivers:
            announce(record_captured, self._app, record=decode(line))
