"""Deletes records from ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

from ...errors import ReadError
from ...record.json_line import to_microseconds
from ..eraser import Eraser

# A delete returns as soon as queries no longer see the rows.
_SETTINGS = {"lightweight_deletes_sync": 2, "mutations_sync": 0}
# Seconds. A delete scans the whole table, however few rows it deletes.
_DELETE_TIMEOUT = 300.0


class ErasableStore(Protocol):
    """The attributes of the chest that the eraser uses."""

    table: str

    @property
    def timeout(self) -> float:
        """Seconds that one call may take."""

    def connect(self, settings: Mapping[str, Any], timeout: float | None = None) -> Any:
        """Open another connection."""

    def is_missing_table(self, error: BaseException) -> bool:
        """Return whether a query failed because there is no table yet."""

    def to_read_error(self, error: BaseException) -> ReadError:
        """Convert a driver's error."""


class ClickHouseEraser(Eraser):
    """Hides rows at once. On closing, ClickHouse begins to remove them from its files.

    :param store: the chest, used for its address and its table.
    """

    def __init__(self, store: ErasableStore) -> None:
        self._store = store
        self._table = f"`{store.table}`"
        self._connection: Any = None
        self._has_deleted = False

    def erase(self, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        return self._delete("id IN {ids:Array(String)}", {"ids": list(ids)})

    def prune(self, before: datetime) -> Iterator[int]:
        # Not in batches: deleting many rows costs as much as deleting a few, and blocks no writer.
        condition = "time < fromUnixTimestamp64Micro({before:Int64}, 'UTC')"
        if count := self._delete(condition, {"before": to_microseconds(before)}):
            yield count

    def close(self) -> None:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._has_deleted:
            # If this fails, later merges remove the rows.
            with suppress(ClickHouseError):
                connection.client.command(f"ALTER TABLE {self._table} APPLY DELETED MASK")
        connection.close()

    def _delete(self, condition: str, parameters: dict[str, Any]) -> int:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        # The table's name has only letters, digits and underscores; values are parameters.
        count = f"SELECT count() FROM {self._table} FINAL WHERE {condition}"  # noqa: S608
        delete = f"DELETE FROM {self._table} WHERE {condition}"  # noqa: S608
        try:
            client = self._client()
            deleted = int(client.query(count, parameters=parameters).result_rows[0][0])
            if deleted:
                self._has_deleted = True
                client.command(delete, parameters=parameters)
        except ClickHouseError as error:
            if self._store.is_missing_table(error):
                return 0
            raise self._store.to_read_error(error) from None
        return deleted

    def _client(self) -> Any:
        if self._connection is None:
            timeout = max(_DELETE_TIMEOUT, self._store.timeout)
            self._connection = self._store.connect(_SETTINGS, timeout)
        return self._connection.client
