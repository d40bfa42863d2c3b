"""A chest that only reads: it shows a store to people who must not change it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from ..errors import ConfigError, DeliveryError, ReadError
from ..record.record import Record
from .base import AppInfo, Chest
from .reader import Reader


class ReadOnlyChest(Chest):
    """Reads the store of another chest. It creates no file and no table, and deletes nothing.

    :param chest: the chest of the store.
    :raises ConfigError: records cannot be read back from this kind of store.
    """

    def __init__(self, chest: Chest) -> None:
        super().__init__(name=chest.name, logger=chest.logger)
        self._chest = chest

    def bind(self, app_info: AppInfo) -> None:
        super().bind(app_info)
        self._chest.bind(app_info)

    def write(self, records: Sequence[Record]) -> NoReturn:
        raise DeliveryError(self.error_message("this chest only reads"))

    def reader(self) -> Reader:
        reader = self._chest.reader()
        if reader is None:
            raise ConfigError(
                f"records cannot be read back from {self.describe()}; SQL databases, MongoDB and "
                "ClickHouse can be read"
            )
        return reader

    def check(self) -> None:
        """Check that the store can be read and that records have been stored there.

        :raises DeliveryError: the store does not answer, or has no table of records.
        """
        reader = self.reader()
        try:
            found = reader.exists()
        except ReadError as error:
            raise DeliveryError(str(error)) from None
        finally:
            reader.close()
        if not found:
            raise DeliveryError(
                f"no records have been stored in {self.describe()}: the file or its table does "
                "not exist"
            )

    def describe(self) -> str:
        return self._chest.describe()

    def secrets(self) -> tuple[str, ...]:
        return self._chest.secrets()
