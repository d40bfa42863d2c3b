"""Creates and upgrades the tables of an SQL store."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from ...errors import DeliveryError
from .names import SCHEMA_VERSION, foreign_table, view_name
from .store import SchemaStore
from .tables import maintenance_table, rollups_table, versions_table


class Schema:
    """The schema of one store.

    :param store: the store.
    """

    def __init__(self, store: SchemaStore) -> None:
        self._store = store
        self._records = store.records
        self._versions = versions_table(sa.MetaData())

    def create_or_upgrade(self, engine: sa.Engine) -> None:
        """Create missing tables, and upgrade tables of older versions.

        :raises sqlalchemy.exc.SQLAlchemyError: the database does not answer.
        :raises flask_chest.errors.DeliveryError: a table with this name has other columns.
        """
        with engine.connect() as connection, self._store.schema_lock(connection):
            self._create_or_upgrade(connection)
            # Commit before the lock is released, so that the next process sees the tables.
            connection.commit()

    def _create_or_upgrade(self, connection: sa.Connection) -> None:
        self._versions.create(connection, checkfirst=True)
        version = self._version(connection)
        if version is None or not sa.inspect(connection).has_table(self._records.name):
            self._create(connection, version)
            return
        for step in range(version + 1, SCHEMA_VERSION + 1):
            UPGRADES[step](connection, self._records.name)
            self._set_version(connection, step)

    def _create(self, connection: sa.Connection, version: int | None) -> None:
        name = self._records.name
        if sa.inspect(connection).has_table(name):
            self._check_columns(connection)
        self._store.metadata.create_all(connection, tables=[self._records])
        _create_indexes(connection, self._records)
        add_rollups(connection, name)
        self._create_view(connection)
        if version is None:
            values = {"table_name": name, "version": SCHEMA_VERSION}
            connection.execute(self._versions.insert().values(values))
        else:
            self._set_version(connection, SCHEMA_VERSION)

    def _create_view(self, connection: sa.Connection) -> None:
        view = view_name(self._records.name)
        if view in sa.inspect(connection).get_view_names():
            return
        quoted, query = self._store.quoted(view), self._store.view_query()
        connection.exec_driver_sql(f"CREATE VIEW {quoted} AS {query}")

    def _check_columns(self, connection: sa.Connection) -> None:
        """Refuse a table of the same name that was not created by this package."""
        name = self._records.name
        existing = {column["name"] for column in sa.inspect(connection).get_columns(name)}
        missing = [column.name for column in self._records.columns if column.name not in existing]
        if not missing:
            return
        raise DeliveryError(self._store.error_message(*foreign_table(name, missing)))

    def _version(self, connection: sa.Connection) -> int | None:
        columns = self._versions.columns
        query = sa.select(columns.version).where(columns.table_name == self._records.name)
        version: int | None = connection.execute(query).scalar()
        return version

    def _set_version(self, connection: sa.Connection, version: int) -> None:
        own_row = self._versions.columns.table_name == self._records.name
        connection.execute(self._versions.update().where(own_row).values(version=version))


def add_rollups(connection: sa.Connection, records: str) -> None:
    """Upgrade a database from version 1 to version 2: add rollups and maintenance state.

    :param records: the name of the table of records.
    """
    metadata = sa.MetaData()
    tables = rollups_table(records, metadata), maintenance_table(metadata)
    metadata.create_all(connection)
    for table in tables:
        _create_indexes(connection, table)


def _create_indexes(connection: sa.Connection, table: sa.Table) -> None:
    # MySQL has no transactional DDL: a process may have died between a table and its indexes.
    for index in table.indexes:
        index.create(connection, checkfirst=True)


#: The upgrade to each version from the version before.
UPGRADES: Mapping[int, Callable[[sa.Connection, str], None]] = {2: add_rollups}
