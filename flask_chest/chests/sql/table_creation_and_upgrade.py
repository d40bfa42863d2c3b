"""Creates and upgrades the tables of an SQL store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain, count

import sqlalchemy as sa
from sqlalchemy.sql.elements import quoted_name

from ...errors import DeliveryError
from .store_protocols import SchemaStore
from .table_definitions import maintenance_table, rollups_table, versions_table
from .table_names import SCHEMA_VERSION, foreign_table, view_name

# All names that an index cannot have. In MySQL, the indexes of each table have their own names.
_NAMES = {
    "postgresql": """
        SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema()
    """,
    "sqlite": "SELECT name FROM sqlite_master",
}


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
        if version is None or not self._has_tables(connection, version):
            self._create(connection, version)
            return
        for step in range(version + 1, SCHEMA_VERSION + 1):
            if step in UPGRADES:
                UPGRADES[step](connection, self._records.name)
            self._replace_view(connection)
            self._set_version(connection, step)

    def _has_tables(self, connection: sa.Connection, version: int) -> bool:
        """Whether all tables of a version exist: some may have been dropped or renamed."""
        store = self._store
        tables = [store.records] + ([store.rollups, store.maintenance] if version > 1 else [])
        inspector = sa.inspect(connection)
        return all(inspector.has_table(table.name) for table in tables)

    def _create(self, connection: sa.Connection, version: int | None) -> None:
        name = self._records.name
        if sa.inspect(connection).has_table(name):
            self._check_columns(connection)
        _create_table(connection, self._records)
        add_rollups(connection, name)
        self._replace_view(connection)
        if version is None:
            values = {"table_name": name, "version": SCHEMA_VERSION}
            connection.execute(self._versions.insert().values(values))
        else:
            self._set_version(connection, SCHEMA_VERSION)

    def _replace_view(self, connection: sa.Connection) -> None:
        """Create the view, also if one exists: it may belong to a table that was renamed."""
        quoted = self._store.quoted(view_name(self._records.name))
        create = "CREATE OR REPLACE VIEW"
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP VIEW IF EXISTS {quoted}")
            create = "CREATE VIEW"
        connection.exec_driver_sql(f"{create} {quoted} AS {self._store.view_query()}")

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
    for table in tables:
        _create_table(connection, table)


def _create_table(connection: sa.Connection, table: sa.Table) -> None:
    """Create a table and its indexes, unless they exist."""
    _choose_index_names(connection, table)
    table.create(connection, checkfirst=True)
    # MySQL has no transactional DDL: a process may have died between a table and its indexes.
    existing = [each["column_names"] for each in sa.inspect(connection).get_indexes(table.name)]
    for index in table.indexes:
        if [*index.columns.keys()] not in existing:
            index.create(connection)


def _choose_index_names(connection: sa.Connection, table: sa.Table) -> None:
    """Number the names of indexes that exist already.

    A table that was renamed keeps its indexes and their names.
    """
    query = _NAMES.get(connection.dialect.name)
    if query is None:
        return
    taken = set(connection.exec_driver_sql(query).scalars())
    for index in table.indexes:
        first = index.info.setdefault("first_name", str(index.name))
        names = chain([first], (f"{first}_{number}" for number in count(2)))
        index.name = quoted_name(next(name for name in names if name not in taken), quote=None)


#: The upgrade of the tables to each version from the version before. Version 3 has a new view.
UPGRADES: Mapping[int, Callable[[sa.Connection, str], None]] = {2: add_rollups}
