"""For an app's own tests: see what its requests record, and whether a chest of its own is one."""

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
from .record.encoding import Batch, encode
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


#: Makes a chest for the backend under test; each call a new object, all for the same place.
Factory = Callable[[], Chest]


#: Tells the ids of all records in the backend, each as often as it is stored.
Reader = Callable[[], Iterable[str]]


# A connection may take its time before a statement takes its own, and a silent one is tried twice.
_PATIENCE = 4


class Server(Protocol):
    """What the suite may do to the backend's server.

    .. versionadded:: 1.0
    """

    def stop(self) -> None:
        """End it; return when it is gone."""

    def start(self) -> None:
        """Start it again, with the data it had; return when it answers."""


@runtime_checkable
class PausableServer(Server, Protocol):
    """A server that can also fall silent: it keeps its connections and answers nothing.

    .. versionadded:: 1.0
    """

    def pause(self) -> None:
        """Fall silent."""

    def resume(self) -> None:
        """Go on."""


def check_chest(
    factory: Factory,
    *,
    read: Reader | None = None,
    poison: Record | None = None,
    server: Server | None = None,
    timeout: float = 2.0,
) -> tuple[str, ...]:
    """Run a backend through everything that delivery relies on.

    :param factory: makes the chest; called several times, and each must lead to the same place.
    :param read: tells the ids of the stored records, so that what arrived can be compared. Without
        it only the chest's behaviour is checked.
    :param poison: a record that this backend will never accept; checks that it, and it alone, is
        rejected.
    :param server: stops and starts the backend's server; checks failure, restart and, where it has
        ``pause`` and ``resume``, silence.
    :param timeout: seconds that the chest is told one call may take.
    :returns: the names of the checks that were made, so that a test can ask for those it relies on.
    :raises AssertionError: the chest breaks a rule; the message says which.

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
    """Records of the last minute, one microsecond apart, each with an id of its own."""
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
        # Delivery hands over lines that were encoded once; they are a sequence of records too.
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
            "raise RejectedError for what the backend will never take, and for nothing else"
        )
        self._expect(records, "were written beside a bad one")
        assert poison.id not in self._stored(), "a record was rejected and yet stored"

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
        self._expect(records, "were written around a restart of the server")

    def honours_timeout(self, server: PausableServer) -> None:
        chest, records = self._make(), make_records(4)
        chest.write(records[:2])
        server.pause()
        try:
            self._expect_failure(chest.write, records, "while the server was silent")
        finally:
            server.resume()
        chest.write(records)
        chest.close()
        self._expect(records, "were written around a silence of the server")

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
        doubled = [record.id for record in records if stored[record.id] > 1]
        assert not missing, f"{len(missing)} of {len(records)} records that {what} are missing"
        assert not doubled, f"{len(doubled)} of {len(records)} records that {what} are doubled"

    def _expect_failure(
        self, act: Callable[[Sequence[Record]], None], records: Sequence[Record], when: str
    ) -> None:
        begun = time.monotonic()
        limit = self._app_info.timeout * _PATIENCE
        with suppress(DeliveryError):
            act(records)
            raise AssertionError(f"no DeliveryError {when}")
        took = time.monotonic() - begun
        assert took < limit, f"{when} it took {took:.1f} s to say so; the limit is {limit:g} s"


def _deliver(chest: Chest, records: Sequence[Record]) -> set[str]:
    """Halve a rejected batch until the bad records are alone, as delivery does."""
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
