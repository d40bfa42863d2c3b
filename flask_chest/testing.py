"""For an app's own tests: see what its requests record, and whether a chest of its own is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from .conformance import check_chest
from .record.record import Record
from .signals import record_captured

__all__ = ["capture_records", "check_chest"]


@contextmanager
def capture_records(app: Flask) -> Iterator[list[Record]]:
    """Collect the records that an app makes inside the ``with`` block::

        with capture_records(app) as records:
            client.post("/orders/7")
        assert records[0].vars["total"] == 99.5

    They are delivered as well. Sampling and rules hold as always.

    :param app: an app with a ``FlaskChest``.
    :raises RuntimeError: the app has none.

    .. versionadded:: 1.0
    """
    if "chest" not in app.extensions:
        raise RuntimeError(f"the app {app.name!r} has no FlaskChest: call FlaskChest(app) first")
    records: list[Record] = []

    def keep(sender: Any, record: Record) -> None:
        records.append(record)

    record_captured.connect(keep, app)
    try:
        yield records
    finally:
        record_captured.disconnect(keep, app)
