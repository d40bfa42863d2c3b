"""Deletes rows of a ClickHouse chest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...query.eraser import Eraser
from ...record.encoding import to_microseconds

if TYPE_CHECKING:
    from .chest import FlaskChestClickHouse

# A delete returns when no query sees the rows any more.
_SETTINGS = {"lightweight_deletes_sync": 2, "mutations_sync": 0}
# It looks through the whole table, however few rows there are to delete.
_PATIENCE = 300.0


class ClickHouseEraser(Eraser):
    """Hides rows at once, and has them taken out of the files in the end.

    :param chest: the chest.
    """

    def __init__(self, chest: FlaskChestClickHouse) -> None:
        self._chest = chest
        self._table = f"`{chest.table}`"
        self._connection: Any = None
        self._has_deleted = False

    def erase(self, ids: Sequence[str]) -> int:
        if not ids:
            return 0
        return self._delete("id IN {ids:Array(String)}", {"ids": list(ids)})

    def prune(self, before: datetime) -> Iterator[int]:
        # Not in batches: a delete of many costs as much as one of few, and no writer waits for it.
        condition = "time < fromUnixTimestamp64Micro({before:Int64}, 'UTC')"
        if gone := self._delete(condition, {"before": to_microseconds(before)}):
            yield gone

    def close(self) -> None:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._has_deleted:
            # What fails now, merges do later.
            with suppress(ClickHouseError):
                connection.client.command(f"ALTER TABLE {self._table} APPLY DELETED MASK")
        connection.close()

    def _delete(self, condition: str, parameters: dict[str, Any]) -> int:
        from clickhouse_connect.driver.exceptions import ClickHouseError

        # The table's name is letters, digits and underscores; values are parameters.
        count = f"SELECT count() FROM {self._table} FINAL WHERE {condition}"  # noqa: S608
        delete = f"DELETE FROM {self._table} WHERE {condition}"  # noqa: S608
        try:
            client = self._client()
            gone = int(client.query(count, parameters=parameters).result_rows[0][0])
            if gone:
                self._has_deleted = True
                client.command(delete, parameters=parameters)
        except ClickHouseError as error:
            if self._chest.is_missing_table(error):
                return 0
            raise self._chest.to_read_error(error) from None
        return gone

    def _client(self) -> Any:
        if self._connection is None:
            timeout = max(_PATIENCE, self._chest.timeout)
            self._connection = self._chest.connect(_SETTINGS, timeout)
        return self._connection.client
