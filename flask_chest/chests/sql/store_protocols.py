"""The parts of an SQL chest that its readers, erasers and maintenance use."""

from __future__ import annotations

from collections.abc import Callable, Container
from contextlib import AbstractContextManager
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy import exc

from ...errors import ReadError


class ReadableStore(Protocol):
    """A store with a table of records that can be read through SQLAlchemy."""

    name: str

    @property
    def records(self) -> sa.Table:
        """The table of records."""

    def make_read_only_engine(self) -> sa.Engine:
        """Make an engine whose connections only read."""

    def is_missing_table(self, error: exc.SQLAlchemyError, /) -> bool:
        """Whether a statement failed because the table does not exist yet."""

    def error_message(self, reason: object, remedy: str = "") -> str:
        """The message of an error."""

    def to_read_error(self, error: BaseException) -> ReadError:
        """Convert an error of the driver to one with the name of the chest and a remedy."""


class Store(ReadableStore, Protocol):
    """A store with rollups, whose records can be deleted."""

    archived_ids: Callable[[int], Container[str]] | None

    @property
    def rollups(self) -> sa.Table:
        """The table of rollups."""

    @property
    def maintenance(self) -> sa.Table:
        """The table of maintenance state."""

    def make_engine(self) -> sa.Engine:
        """Make an engine whose connections read and write."""

    def overwrite_free_space(self, engine: sa.Engine, /) -> str | None:
        """Remove deleted rows from the files, as far as the database offers that.

        :returns: a sentence that says where they may remain; ``None`` if they are gone.
        """


class SchemaStore(Store, Protocol):
    """A store whose tables are created and upgraded by this package."""

    @property
    def metadata(self) -> sa.MetaData:
        """The tables that belong to the store."""

    def schema_lock(self, connection: sa.Connection) -> AbstractContextManager[None]:
        """Let one process at a time create or upgrade tables."""

    def view_query(self) -> str:
        """The ``SELECT`` of the view of variables, in the SQL of this database."""

    def quoted(self, name: str) -> str:
        """An identifier, quoted for this database."""
