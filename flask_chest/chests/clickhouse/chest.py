"""The ClickHouse chest: sends each batch as one body of JSON lines."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from ...errors import ConfigError, DeliveryError, RejectedError
from ...record.json_line import dumps, loads
from ...record.record import Record
from ...record.text_cleaning import replace_nul
from ..base import Chest
from ..batch_bodies import blamed_ids, to_lines
from ..drivers import require_driver
from ..eraser import Eraser
from ..http.client import check_verify
from ..per_process_client import PerProcessClient
from ..reader import Reader
from ..url import StoreURL
from .client import READ_SETTINGS, connect, suppressed_driver_logs
from .errors import describe_error, is_rejection, is_unknown_table, remedy_for
from .schema import create_or_check, format_second, format_time, make_table

_SCHEMES = ("clickhouse", "clickhouse+https", "chdb")
_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_MAX_QUERY_BYTES = 256 * 1024 * 1024
_TIME_KEY = b'"time":'
# Digits of microseconds since 1970, from 2001 until 2286.
_TIME_DIGITS = 16
# ClickHouse skips fields of later versions of this package. A journal or an import may bring
# records of many weeks, which are many partitions. A batch is too small for parallel parsing, which
# would also split it into several blocks.
_INSERT_SETTINGS: Mapping[str, Any] = {
    "input_format_skip_unknown_fields": 1,
    "input_format_json_read_objects_as_strings": 1,
    "input_format_parallel_parsing": 0,
    "max_partitions_per_insert_block": 0,
}


class FlaskChestClickHouse(Chest):
    """Stores records in a table of ClickHouse (24.8 or newer).

    :param url: ``"clickhouse://user:password@host:8123/database"``, or ``"clickhouse+https://..."``
        for TLS, where ``?verify=`` may name the file of the CA that signed the server's
        certificate. ``"chdb:///var/lib/shop"`` names a folder that the ClickHouse engine opens
        within this process; no other process may open it. It needs the package ``chdb``.
    :param table: the table of records; created on first use. An existing table must have the same
        columns, be a ``ReplacingMergeTree`` and have ``id`` in its ``ORDER BY``.
    :param settings: ClickHouse's settings for inserts, e.g. ``{"async_insert": 1}``.
    :raises flask_chest.errors.ConfigError: clickhouse-connect is not installed, or the URL is
        malformed.

    .. versionadded:: 1.0
    """

    scheme = "clickhouse"
    shareable = True

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
        self.records = make_table(table)
        self._settings = {**_INSERT_SETTINGS, **(settings or {})}
        # Part of each deduplication token: ClickHouse must deduplicate only this chest's retries,
        # not somebody else's import of the same records after they were deleted.
        self._token_key = os.urandom(16)
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
        return self.address.secrets()

    def write(self, records: Sequence[Record]) -> None:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        if not records:
            return
        lines = to_lines(records)
        settings = {**self._settings, "insert_deduplication_token": self._token(lines)}
        with self.converted_errors():
            body = replace_nul(b"\n".join([_convert_time(line) for line in lines]))
            try:
                with suppressed_driver_logs():
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
        with self.converted_errors(), suppressed_driver_logs():
            self._client().command("SELECT 1")

    def close(self) -> None:
        self._connection.close()

    def connect(self, settings: Mapping[str, Any], timeout: float | None = None) -> Any:
        """Open another connection, with the DB-API's interface.

        :param settings: ClickHouse's settings for all queries of the connection.
        :param timeout: seconds that one call may take; default: the chest's timeout.
        """
        return connect(self.address, timeout or self.timeout, settings)

    def make_read_only_engine(self) -> sa.Engine:
        """Return an engine that only reads, and that sees each record once."""
        seconds = max(1, int(self.timeout))
        settings = {
            **READ_SETTINGS,
            "max_execution_time": seconds,
            "readonly": 2,
            # A filter may list many values, which Python has compared.
            "max_query_size": _MAX_QUERY_BYTES,
            "max_ast_elements": _MAX_QUERY_BYTES,
            "max_expanded_ast_elements": _MAX_QUERY_BYTES,
        }
        return sa.create_engine(
            "clickhousedb://", creator=partial(self.connect, settings), future=True
        )

    def is_missing_table(self, error: BaseException) -> bool:
        """Return whether a query failed because there is no table yet: nothing was delivered."""
        return is_unknown_table(error)

    def remedy(self, error: BaseException) -> str:
        return remedy_for(error)

    def describe_error(self, error: BaseException) -> str:
        return describe_error(error)

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
        retention = None if self.app_info is None else self.app_info.retention_seconds
        problem = create_or_check(client, self.table, retention)
        if problem is not None:
            raise self.unavailable(*problem)

    def _token(self, lines: Sequence[bytes]) -> str:
        """Return a token for these records; ClickHouse stores a batch of the same token once."""
        # The part of a line before its time is its id.
        ids = b"".join([line[: line.find(_TIME_KEY)] for line in lines])
        return hashlib.blake2b(ids, digest_size=16, key=self._token_key).hexdigest()

    def _to_chest_error(
        self, error: BaseException, records: Sequence[Record]
    ) -> DeliveryError | RejectedError:
        if is_rejection(error):
            return RejectedError(self.error_message(error), record_ids=blamed_ids(records))
        # The table or the server may have changed: prepare the connection again for the next batch.
        self.close()
        return self.to_delivery_error(error)


def _check_address(address: StoreURL) -> None:
    if address.scheme not in _SCHEMES:
        raise ConfigError(f"{address.scheme!r} is not 'clickhouse://' or 'clickhouse+https://'")
    if address.scheme == "chdb":
        if address.hosts:
            raise ConfigError(f"chDB has no host; write 'chdb:///{address.hosts}'")
        require_driver("chdb", "clickhouse")
    known = ["verify"] if address.scheme == "clickhouse+https" else []
    address.require_known_parameters(known)
    check_verify(address.query.get("verify", True))
    _ = address.port


def _convert_time(line: bytes) -> bytes:
    """Return a record's line with its time in ClickHouse's format."""
    start = line.find(_TIME_KEY) + len(_TIME_KEY)
    end = line.find(b",", start)
    if end - start != _TIME_DIGITS or not line[start:end].isdigit():
        # Another writer's line, e.g. with its time at the end, or a time before 2001.
        values = loads(line)
        values["time"] = format_time(values["time"]).decode()
        return dumps(values)
    point = end - 6
    second = format_second(line[start:point])
    return b'%b"%b.%b"%b' % (line[:start], second, line[point:end], line[end:])
