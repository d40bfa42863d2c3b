"""A psycopg connection with a timeout for every statement."""

from __future__ import annotations

import select
import time
from collections.abc import Generator, Iterable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.types.string import StrDumper
from psycopg.waiting import Ready, Wait

from ..database_encoding import codec_of, storable_text

T = TypeVar("T")


class BoundedConnection(psycopg.Connection[Any]):
    """Times out if the server stops responding.

    The server enforces ``statement_timeout`` itself, so it does not help if the server hangs. TCP
    timeouts do not expire while the kernel of the server still acknowledges packets. So the client
    limits the wait, and closes the connection after a timeout, since an answer may still arrive.
    """

    #: Maximum duration of one statement in seconds.
    timeout = 10.0

    #: Python's codec for the encoding of the database; ``None`` if it has all characters.
    codec: str | None = None

    _deadline: float | None = None

    def copy_from(
        self, cursor: psycopg.Cursor[Any], statement: str, parts: Iterable[bytes]
    ) -> None:
        """Run a ``COPY ... FROM STDIN`` with the timeout of a statement.

        :raises psycopg.OperationalError: the server did not answer in time.
        """
        self._deadline = time.monotonic() + self.timeout
        try:
            with cursor.copy(statement.encode()) as copy:
                for part in parts:
                    copy.write(part)
        finally:
            self._deadline = None

    def wait(
        self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None
    ) -> T:
        """Run one of psycopg's generators to completion.

        :raises psycopg.OperationalError: the server did not answer in time.
        """
        deadline = self._deadline or time.monotonic() + self.timeout
        try:
            wanted = next(gen)
            while True:
                ready = _poll(self.pgconn.socket, wanted, deadline - time.monotonic())
                if not ready:
                    self.close()
                    raise psycopg.OperationalError(f"no answer within {self.timeout:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: T = end.value
            return result


def connect(url: str, timeout: float, parameters: Mapping[str, Any]) -> BoundedConnection:
    """Connect to the database of a libpq URL.

    The client's encoding is UTF-8, whatever the database, the URL or ``PGCLIENTENCODING`` say.

    :param timeout: maximum duration of each statement in seconds.
    :param parameters: defaults of libpq parameters; parameters in the URL take precedence.
    """
    given = psycopg.conninfo.conninfo_to_dict(url)
    connection = BoundedConnection.connect(
        url,
        # A statement that is prepared in one session is missing, or exists already, in the next
        # one that a pooler such as PgBouncer chooses.
        prepare_threshold=None,
        **{**parameters, **_only(given, parameters), "client_encoding": "UTF8"},
    )
    connection.timeout = timeout
    connection.codec = codec_of(connection.info.parameter_status("server_encoding") or "UTF8")
    if connection.codec:
        connection.adapters.register_dumper(str, _dumper_for(connection.codec))
    return connection


def _dumper_for(codec: str) -> type[StrDumper]:
    """Return the adapter that passes texts to a database which lacks some characters."""

    class StorableDumper(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(storable_text(obj, codec))

    return StorableDumper


def _only(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in wanted if name in given}


def _poll(fd: int, wanted: Wait, seconds: float) -> Ready | None:
    poller = select.poll()
    poller.register(
        fd,
        (select.POLLIN if wanted & Wait.R else 0) | (select.POLLOUT if wanted & Wait.W else 0),
    )
    events = poller.poll(max(0.0, seconds) * 1000)
    if not events:
        return None
    happened = events[0][1]
    if happened & ~(select.POLLIN | select.POLLOUT):
        # An error or a hang-up: libpq reads it and reports the cause.
        return Ready(int(wanted))
    ready = (Ready.R if happened & select.POLLIN else 0) | (
        Ready.W if happened & select.POLLOUT else 0
    )
    return Ready(ready)
