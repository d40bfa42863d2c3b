"""Helpers for an app's tests: capture its records, and check a chest that the app defines."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

from flask import Flask

from .chests.base import AppInfo, Chest
from .errors import DeliveryError, RejectedError
from .record.batch import Batch
from .record.json_line import encode
from .record.record import Record
from .signals import record_captured

__all__ = ["capture_records", "check_chest"]


@contextmanager
def capture_records(app: Flask) -> Iterator[list[Record]]:
    """Collect the records that an app makes within the ``with`` block::

        with capture_records(app) as records:
            client.post("/orders/7")
        assert records[0].vars["total"] == 99.5

    The records are also delivered, and sampling and rules apply as usual.

    :param app: an app with a ``FlaskChest``.
    :raises RuntimeError: the app has no ``FlaskChest``.

    .. versionadded:: 1.0
    """
    if "chest" not in app.extensions:
        raise RuntimeError(f"the app {app.name!r} has no FlaskChest: call FlaskChest(app) first")
    records: list[Record] = []

    def collect(sender: Any, record: Record) -> None:
        records.append(record)

    record_captured.connect(collect, app)
    try:
        yield records
    finally:
        record_captured.disconnect(collect, app)


#: Makes a chest that writes to the store under test. Each call returns a new chest.
Factory = Callable[[], Chest]

#: Returns the ids of all records in the store; an id that is stored twice appears twice.
Reader = Callable[[], Iterable[str]]

# A chest may wait for a connection and then for a statement, and may try each of them twice.
_MAX_TIMEOUTS = 4


class Server(Protocol):
    """Lets the checks stop and start the store's server.

    .. versionadded:: 1.0
    """

    def stop(self) -> None:
        """Stop the server; return when its process has ended."""

    def start(self) -> None:
        """Start the server again with its data; return when the server answers."""


@runtime_checkable
class PausableServer(Server, Protocol):
    """A server that can also hang: it keeps its connections open and does not answer.

    .. versionadded:: 1.0
    """

    def pause(self) -> None:
        """Stop answering."""

    def resume(self) -> None:
        """Answer again."""


def check_chest(
    factory: Factory,
    *,
    read: Reader | None = None,
    poison: Record | None = None,
    server: Server | None = None,
    timeout: float = 2.0,
) -> tuple[str, ...]:
    """Check that a chest behaves as delivery expects.

    :param factory: makes the chest; called several times, and all chests must write to the same
        store.
    :param read: returns the ids of the stored records, to compare them with the written ones.
        Without it, only the behaviour of the chest is checked.
    :param poison: a record that the store will never accept; the chest must reject this record and
        no other.
    :param server: stops and starts the store's server, to check failure and restart. With the
        methods ``pause`` and ``resume``, a hanging server is checked too.
    :param timeout: the chest's timeout in seconds.
    :returns: the names of the checks that ran, so that a test can assert on them.
    :raises AssertionError: the chest breaks a rule; the message names the rule.

    .. versionadded:: 1.0
    """
    with tempfile.TemporaryDirectory(prefix="chest-check-") as folder:
        suite = _Suite(factory, read, AppInfo(instance_path=Path(folder), timeout=timeout))
        done = ["accepts", "ignores_duplicates", "closes"]
        suite.accepts()
        suite.ignores_duplicates()
        suite.closes()
        if poison is not None:
            suite.rejects(poison)
            done.append("rejects")
        if server is not None:
            suite.survives_restart(server)
            done.append("survives_restart")
        if isinstance(server, PausableServer):
            suite.honours_timeout(server)
            done.append("honours_timeout")
        return tuple(done)


def make_records(count: int) -> list[Record]:
    """Return records of the last minute, one microsecond apart, with unique ids."""
    start = datetime.now(timezone.utc) - timedelta(minutes=1)
    return [
        Record(
            id=uuid4().hex,
            time=start + timedelta(microseconds=number),
            request_id=f"check-{number}",
            method="GET",
            route="/check/<int:number>",
            endpoint="check",
            status=200,
            duration_ms=1.5,
            vars={"number": number, "share": 0.5, "text": "ä, \"b\" 'c'\n", "flag": True},
        )
        for number in range(count)
    ]


class _Suite:
    def __init__(self, factory: Factory, read: Reader | None, app_info: AppInfo) -> None:
        self._factory = factory
        self._read = read
        self._app_info = app_info

    def accepts(self) -> None:
        chest, records = self._make(), make_records(20)
        assert chest.name, "a chest needs a name"
        assert isinstance(chest.describe(), str), "describe() returns the address as a string"
        chest.write(records[:10])
        # Delivery passes encoded lines: a Batch is a sequence of records too.
        chest.write(Batch([encode(record) for record in records[10:]]))
        chest.write([])
        chest.check()
        chest.close()
        self._expect(records, "were written")

    def ignores_duplicates(self) -> None:
        chest, records = self._make(), make_records(20)
        chest.write(records[:10])
        chest.write(records)
        other = self._make()
        other.write(records)
        chest.close()
        other.close()
        self._expect(records, "were written three times")

    def closes(self) -> None:
        chest, records = self._make(), make_records(4)
        chest.close()
        chest.write(records[:2])
        chest.close()
        chest.close()
        chest.write(records[2:])
        chest.close()
        self._expect(records, "were written before and after close()")

    def rejects(self, poison: Record) -> None:
        poison = replace(poison, id=uuid4().hex)
        chest, records = self._make(), make_records(8)
        rejected = _deliver(chest, [*records[:5], poison, *records[5:]])
        chest.close()
        assert rejected == {poison.id}, (
            f"of eight good records and a bad one, {len(rejected)} were rejected: "
            "raise RejectedError for records that the store will never accept, and for no others"
        )
        self._expect(records, "were written together with a bad one")
        assert poison.id not in self._stored(), "a rejected record was stored"

    def survives_restart(self, server: Server) -> None:
        chest, records = self._make(), make_records(8)
        chest.write(records[:4])
        server.stop()
        self._expect_failure(chest.write, records, "while the server was down")
        self._expect_failure(lambda _: chest.check(), records, "while the server was down")
        server.start()
        chest.write(records)
        server.stop()
        server.start()
        chest.write(records)
        chest.close()
        self._expect(records, "were written before and after a restart of the server")

    def honours_timeout(self, server: PausableServer) -> None:
        chest, records = self._make(), make_records(4)
        chest.write(records[:2])
        server.pause()
        try:
            self._expect_failure(chest.write, records, "while the server did not answer")
        finally:
            server.resume()
        chest.write(records)
        chest.close()
        self._expect(records, "were written before and after the server did not answer")

    def _make(self) -> Chest:
        chest = self._factory()
        chest.bind(self._app_info)
        return chest

    def _stored(self) -> Counter[str]:
        return Counter() if self._read is None else Counter(self._read())

    def _expect(self, records: Sequence[Record], what: str) -> None:
        if self._read is None:
            return
        stored = self._stored()
        missing = [record.id for record in records if not stored[record.id]]
        duplicates = [record.id for record in records if stored[record.id] > 1]
        assert not missing, f"{len(missing)} of {len(records)} records that {what} are missing"
        assert not duplicates, (
            f"{len(duplicates)} of {len(records)} records that {what} are stored twice"
        )

    def _expect_failure(
        self, action: Callable[[Sequence[Record]], None], records: Sequence[Record], when: str
    ) -> None:
        began = time.monotonic()
        limit = self._app_info.timeout * _MAX_TIMEOUTS
        with suppress(DeliveryError):
            action(records)
            raise AssertionError(f"no DeliveryError {when}")
        took = time.monotonic() - began
        assert took < limit, f"{when} a DeliveryError took {took:.1f} s; the limit is {limit:g} s"


def _deliver(chest: Chest, records: Sequence[Record]) -> set[str]:
    """Halve a rejected batch until each bad record is alone, like delivery does."""
    try:
        chest.write(records)
    except RejectedError as error:
        if error.unnamed:
            return set()
        if error.record_ids is not None:
            return set(error.record_ids)
        if len(records) == 1:
            return {records[0].id}
        middle = len(records) // 2
        return _deliver(chest, records[:middle]) | _deliver(chest, records[middle:])
    return set()
