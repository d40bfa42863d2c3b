"""ClickHouse, through clickhouse-connect: a whole batch is one body of JSON lines."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from ...errors import ConfigError, DeliveryError, RejectedError
from ...query.eraser import Eraser
from ...query.reader import Reader
from ...record.encoding import dumps, loads
from ...record.record import Record
from ..base import Chest
from ..batches import blamed_ids, replace_nul, to_lines
from ..client import PerProcessClient, require_driver
from ..http.client import check_verify
from ..url import StoreURL
from .client import READING, connect, hushed
from .errors import is_rejection, is_unknown_table, remedy_for, words_of
from .schema import (
    OLDEST,
    make_or_check,
    read_version,
    records_of,
    spell_second,
    spell_time,
)

_SCHEMES = ("clickhouse", "clickhouse+https", "chdb")
_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_TIME = b'"time":'
# Of microseconds since 1970, from 2001 until 2286.
_DIGITS = 16
# Fields of a later version are passed over. Records of many weeks at once are many partitions,
# which is no mistake when a journal or an import brings them. A batch is too small to be parsed by
# several threads, and shall stay one block.
_INSERTING: Mapping[str, Any] = {
    "input_format_skip_unknown_fields": 1,
    "input_format_json_read_objects_as_strings": 1,
    "input_format_parallel_parsing": 0,
    "max_partitions_per_insert_block": 0,
}


class FlaskChestClickHouse(Chest):
    """A table in ClickHouse (24.8 or newer).

    :param url: ``"clickhouse://user:password@host:8123/database"``, or ``"clickhouse+https://..."``
        for TLS, which may have ``?verify=``, the file of the CA that signed the server's
        certificate. ``"chdb:///var/lib/shop"`` is a folder, and the engine runs in this process,
        the only one that may open it; it needs the package ``chdb``.
    :param table: the table of records; made on first use. One that is there must have these
        columns, be a ``ReplacingMergeTree`` and have ``id`` in its ``ORDER BY``.
    :param settings: ClickHouse's settings for inserts, e.g. ``{"async_insert": 1}``.
    :raises flask_chest.errors.ConfigError: clickhouse-connect is not installed, or the URL is
        malformed.

    .. versionadded:: 1.0
    """

    scheme = "clickhouse"

    def __init__(
        self,
        url: str,
        table: str = "chest_records",
        settings: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        require_driver("clickhouse_connect", "clickhouse")
        self.url = url
        self.address = StoreURL.parse(url)
        _check_address(self.address)
        if not isinstance(table, str) or not _TABLE_NAME.fullmatch(table):
            raise ConfigError(
                f"table {table!r}: use letters, digits and underscores, at most 40 of them"
            )
        super().__init__(**arguments)
        self.table = table
        self.records = records_of(table)
        self._settings = {**_INSERTING, **(settings or {})}
        # Retries are ours alone. Somebody who imports what was forgotten is no retry, although it
        # may be the same batch.
        self._writer = os.urandom(16)
        self._connection: PerProcessClient[Any] = PerProcessClient(self._open_connection)

    @classmethod
    def from_url(cls, url: str, **arguments: Any) -> FlaskChestClickHouse:
        """``clickhouse://user:password@host:8123/database``, ``clickhouse+https://...``"""
        return cls(url, **arguments)

    def describe(self) -> str:
        return self.address.public_url()

    def location(self) -> str:
        return f"{self.address.public_location()} {self.table}"

    def secrets(self) -> tuple[str, ...]:
        return (self.address.password,)

    def write(self, records: Sequence[Record]) -> None:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        if not records:
            return
        lines = to_lines(records)
        settings = {**self._settings, "insert_deduplication_token": self._token(lines)}
        body = replace_nul(b"\n".join([_spelled(line) for line in lines]))
        try:
            with hushed():
                self._client().raw_insert(
                    f"`{self.table}`", insert_block=body, settings=settings, fmt="JSONEachRow"
                )
        except ClickHouseError as error:
            raise self._to_chest_error(error, records) from None

    def reader(self) -> Reader:
        from .reader import ClickHouseReader

        return ClickHouseReader(self)

    def eraser(self) -> Eraser:
        from .eraser import ClickHouseEraser

        return ClickHouseEraser(self)

    def check(self) -> None:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        try:
            with hushed():
                self._client().command("SELECT 1")
        except ClickHouseError as error:
            raise self.to_delivery_error(error) from None

    def close(self) -> None:
        self._connection.close()

    def connect(self, settings: Mapping[str, Any], timeout: float | None = None) -> Any:
        """A connection of one's own, as the DB-API has it.

        :param settings: ClickHouse's, for all that is asked over it.
        :param timeout: seconds that one call may take; the chest's, unless given.
        """
        return connect(self.address, timeout or self.timeout, settings)

    def make_read_only_engine(self) -> sa.Engine:
        """An engine for those who only read, and who see each record once."""
        seconds = max(1, int(self.timeout))
        settings = {**READING, "max_execution_time": seconds, "readonly": 2}
        return sa.create_engine("clickhousedb://", creator=partial(self.connect, settings))

    def is_missing_table(self, error: BaseException) -> bool:
        """Whether a query failed because nothing was delivered yet."""
        return is_unknown_table(error)

    def remedy(self, error: BaseException) -> str:
        return remedy_for(error)

    def error_message(self, reason: object, remedy: str = "") -> str:
        # The driver's message holds the query, and with it values of the app's users.
        words = words_of(reason) if isinstance(reason, BaseException) else reason
        return super().error_message(words, remedy)

    def _client(self) -> Any:
        return self._connection.get().client

    def _open_connection(self) -> Any:
        connection = self.connect({})
        try:
            self._prepare(connection.client)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, client: Any) -> None:
        if read_version(client.server_version) < OLDEST:
            least = ".".join(map(str, OLDEST))
            reason = f"ClickHouse {client.server_version} is too old"
            raise DeliveryError(
                self.error_message(reason, f"upgrade the server to {least} or newer")
            )
        retention = None if self.app_info is None else self.app_info.retention_seconds
        wrong = make_or_check(client, self.table, retention)
        if wrong is not None:
            raise DeliveryError(self.error_message(*wrong))

    def _token(self, lines: Sequence[bytes]) -> str:
        """The same for the same records, in this order: the server has stored them already."""
        # What stands before the time is the id.
        ids = b"".join([line[: line.find(_TIME)] for line in lines])
        return hashlib.blake2b(ids, digest_size=16, key=self._writer).hexdigest()

    def _to_chest_error(
        self, error: BaseException, records: Sequence[Record]
    ) -> DeliveryError | RejectedError:
        if is_rejection(error):
            return RejectedError(self.error_message(error), record_ids=blamed_ids(records))
        # Perhaps the table is gone, or the server is another one: look before the next batch.
        self.close()
        return self.to_delivery_error(error)


def _check_address(address: StoreURL) -> None:
    if address.scheme not in _SCHEMES:
        raise ConfigError(f"{address.scheme!r} is not 'clickhouse://' or 'clickhouse+https://'")
    if address.scheme == "chdb":
        if address.hosts:
            raise ConfigError(f"chDB has no host; write 'chdb:///{address.hosts}'")
        require_driver("chdb", "clickhouse")
    known = {"verify"} if address.scheme == "clickhouse+https" else set()
    unknown = address.query.keys() - known
    if unknown:
        told = f"known: {', '.join(known)}" if known else "there are none"
        raise ConfigError(f"unknown URL parameter {min(unknown)!r}; {told}")
    check_verify(address.query.get("verify", True))
    _ = address.port


def _spelled(line: bytes) -> bytes:
    """A record's line with its time as ClickHouse reads it."""
    start = line.find(_TIME) + len(_TIME)
    end = line.find(b",", start)
    if end - start != _DIGITS or not line[start:end].isdigit():
        # The time comes last, say, or lies before 2001: a line of another make.
        values = loads(line)
        values["time"] = spell_time(values["time"]).decode()
        return dumps(values)
    point = end - 6
    second = spell_second(line[start:point])
    return b'%b"%b.%b"%b' % (line[:start], second, line[point:end], line[end:])
