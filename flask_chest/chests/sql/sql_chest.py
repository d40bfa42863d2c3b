"""What all SQL chests share: table names, readers, erasers, maintenance.

Importing this module and making a chest does not load SQLAlchemy, which takes 13 MiB: SQLite is
written to without it.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property
from operator import methodcaller
from typing import TYPE_CHECKING, Any, ClassVar

from ..archive_source import ArchiveSource
from ..base import Chest
from ..eraser import Eraser
from ..per_process_client import PerProcessClient
from ..reader import Reader
from .table_names import check_table_name

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy import exc

    from .table_definitions import Tables


class SQLChest(Chest):
    """A chest whose records are rows of a table that SQLAlchemy reads.

    :param table: the table of records; created on first use.
    """

    needs_maintenance = True
    shareable = True

    #: The quotation mark around identifiers.
    quote: ClassVar[str] = '"'

    def __init__(self, *, table: str = "chest_records", **arguments: Any) -> None:
        super().__init__(**arguments)
        self.table = check_table_name(table)
        self._engine: PerProcessClient[sa.Engine] = PerProcessClient(
            self._open_engine,
            close=methodcaller("dispose"),
            drop=methodcaller("dispose", close=False),
        )

    @cached_property
    def _tables(self) -> Tables:
        from .table_definitions import make_tables

        return make_tables(self.table)

    @property
    def metadata(self) -> sa.MetaData:
        """All tables of the chest."""
        return self._tables.metadata

    @property
    def records(self) -> sa.Table:
        """The table of records."""
        return self._tables.records

    @property
    def variables(self) -> sa.Table:
        """The view of variables."""
        return self._tables.variables

    @property
    def rollups(self) -> sa.Table:
        """The table of rollups."""
        return self._tables.rollups

    @property
    def maintenance(self) -> sa.Table:
        """The table of maintenance state."""
        return self._tables.maintenance

    def close(self) -> None:
        self._engine.close()

    def engine(self) -> sa.Engine:
        """The engine of this process, after the tables were created or upgraded.

        :raises sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
        :raises flask_chest.errors.DeliveryError: a table with this name has other columns.
        """
        return self._engine.get()

    @abstractmethod
    def _open_engine(self) -> sa.Engine:
        """Create or upgrade the tables, and return an engine."""

    def reader(self) -> Reader:
        from .reader import SQLReader

        return SQLReader(self)

    def eraser(self) -> Eraser:
        from .eraser import SQLEraser

        return SQLEraser(self)

    def archive_source(self) -> ArchiveSource:
        from .archive.source import SQLArchiveSource

        return SQLArchiveSource(self)

    def prune(self, before: datetime, stop: threading.Event) -> Iterator[int]:
        from .rollup_and_pruning import prune

        return prune(self, before, stop)

    def maintain(self, until: int, retention: float | None, stop: threading.Event) -> None:
        from .rollup_and_pruning import maintain

        maintain(self, until, retention, stop)

    @abstractmethod
    def make_engine(self) -> sa.Engine:
        """Make an engine for this database, without connecting."""

    def overwrite_free_space(self, engine: sa.Engine) -> str | None:
        """Remove deleted rows from the files; a server does that in its own time."""
        return None

    def make_read_only_engine(self) -> sa.Engine:
        """Make an engine whose connections only read."""
        return self.make_engine()

    @abstractmethod
    def schema_lock(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """Let one process at a time create or upgrade tables."""

    @abstractmethod
    def view_query(self) -> str:
        """The ``SELECT`` of the view of variables, in the SQL of this database."""

    def is_missing_table(self, error: exc.SQLAlchemyError) -> bool:
        """Whether a statement failed because the table does not exist yet."""
        return False

    def error_message(self, reason: object, remedy: str = "") -> str:
        # The message of SQLAlchemy's exception has the statement and its parameters, which are
        # values of the app's users.
        return super().error_message(getattr(reason, "orig", None) or reason, remedy)

    def quoted(self, name: str) -> str:
        """An identifier, quoted for this database."""
        return f"{self.quote}{name}{self.quote}"
