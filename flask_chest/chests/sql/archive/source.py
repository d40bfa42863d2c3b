"""The rows of an SQL store, as the archive reads them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc

from ....query.time_intervals import HOUR, floor_to, from_timestamp, to_utc
from ....record.json_line import from_microseconds, loads
from ...archive_source import ArchiveSource
from ..jsonb_numbers import plain_lines
from ..rollups.maintenance_lease import Lease
from ..store_protocols import Store
from ..table_names import state_key
from .late_hours import LateHours
from .lines import DIALECTS, page_query, row_query

T = TypeVar("T")

# Rows that one query returns.
_PAGE = 5000
# Ids that one statement deletes or lists: old versions of SQLite accept at most 999 parameters.
_MAX_IDS = 500


class SQLArchiveSource(ArchiveSource):
    """The rows of the table of one store.

    :param store: the store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._table = store.records
        self._engine = store.make_engine()
        self._reading = store.make_read_only_engine()
        dialect = "mysql" if self._engine.dialect.name == "mariadb" else self._engine.dialect.name
        name = self._engine.dialect.identifier_preparer.quote(self._table.name)
        time = self._table.columns.time.type
        parameters = sa.bindparam("since", type_=time), sa.bindparam("until", type_=time)
        self._page = sa.text(page_query(dialect, name)).bindparams(*parameters)
        self._single = sa.text(row_query(dialect, name)).bindparams(*parameters)
        self._prepare = DIALECTS[dialect].prepare
        self._late = LateHours(store.maintenance, self._table.name)
        self._lease = Lease(store, self._engine, "archive")

    def store_id(self, *, create: bool = False) -> str | None:
        columns = self._store.maintenance.columns
        key = state_key(self._table.name, "store")
        query = sa.select(columns.holder).where(columns.table_name == key)
        row = {"table_name": key, "holder": uuid.uuid4().hex, "held_until": 0, "rolled_until": 0}

        def find() -> str | None:
            with self._reading.connect() as connection:
                found: str | None = connection.execute(query).scalar()
                return found

        def make() -> None:
            try:
                with self._engine.begin() as connection:
                    connection.execute(sa.insert(self._store.maintenance).values(row))
            except exc.IntegrityError:
                pass  # another process inserted the row first

        found = self._run(find, None)
        if found is None and create:
            self._run(make, None)
            found = self._run(find, None)
        return found

    def late_hours(self) -> Mapping[int, int]:
        return self._run(lambda: self._late.pending(self._reading), {})

    def report_late_hours(self, hours: Iterable[int]) -> None:
        self._run(lambda: self._late.report(self._engine, hours), None)

    def clear_late_hour(self, hour: int, reports: int) -> None:
        self._run(lambda: self._late.clear(self._engine, hour, reports), None)

    def next_hour(self, after: int) -> int | None:
        time = self._table.columns.time
        later = sa.select(time).where(time >= from_timestamp(after)).order_by(time).limit(1)

        def find() -> int | None:
            with self._reading.connect() as connection:
                found = connection.execute(later).scalar()
            return None if found is None else floor_to(to_utc(found).timestamp(), HOUR)

        return self._run(find, None)

    def count(self, start: int, end: int) -> int:
        count = sa.select(sa.func.count()).select_from(self._table)

        def find() -> int:
            with self._reading.connect() as connection:
                return int(connection.execute(self._within(count, start, end)).scalar_one())

        return self._run(find, 0)

    def lines(self, start: int, end: int) -> Iterator[bytes]:
        since, after = from_timestamp(start), ""
        while True:
            parameters = {
                "since": since,
                "until": from_timestamp(end),
                "after": after,
                "size": _PAGE,
            }
            text, count = self._run(lambda: self._lines(parameters), ("", 0))  # noqa: B023
            if self._engine.dialect.name == "postgresql":
                text = plain_lines(text)
            if text:
                yield text.encode()
                last = loads(text[text.rfind("\n") + 1 :])
                since, after = from_microseconds(last["time"]), last["id"]
            if count < _PAGE:
                return

    def _lines(self, parameters: Mapping[str, object]) -> tuple[str, int]:
        with self._reading.connect() as connection:
            for statement in self._prepare:
                connection.exec_driver_sql(statement)
            text, count = connection.execute(self._page, parameters).one()
            # Databases cut a long text without an error, e.g. MySQL at max_allowed_packet.
            if text is None or (text.count("\n") + 1 == count and text.endswith("}")):
                return text or "", count
            lines = connection.execute(self._single, parameters).scalars().all()
            return "\n".join(map(str, lines)), len(lines)

    def ids(self, start: int, end: int) -> Iterator[list[str]]:
        identity = self._table.columns.id
        query = self._within(sa.select(identity), start, end).order_by(identity).limit(_PAGE)
        after = ""
        while True:
            some = query.where(identity > after)
            found: list[str] = self._run(lambda: self._scalars(some), [])  # noqa: B023
            if found:
                yield found
                after = found[-1]
            if len(found) < _PAGE:
                return

    def _scalars(self, query: sa.Select[Any]) -> list[Any]:
        with self._reading.connect() as connection:
            return [row[0] for row in connection.execute(query)]

    def delete(self, ids: list[str]) -> int:
        identity = self._table.columns.id

        def delete() -> int:
            deleted = 0
            for place in range(0, len(ids), _MAX_IDS):
                some = sa.delete(self._table).where(identity.in_(ids[place : place + _MAX_IDS]))
                with self._engine.begin() as connection:
                    deleted += connection.execute(some).rowcount
            return deleted

        return self._run(delete, 0)

    def acquire_lease(self) -> bool:
        return self._run(self._lease.acquire, False)

    def renew_lease(self) -> bool:
        return self._run(self._lease.renew, False)

    def release_lease(self) -> None:
        self._run(self._lease.release, None)

    def close(self) -> None:
        self._reading.dispose()
        self._engine.dispose()

    def _within(self, query: sa.Select[T], start: int, end: int) -> sa.Select[T]:
        time = self._table.columns.time
        return query.where(time >= from_timestamp(start), time < from_timestamp(end))

    def _run(self, operation: Callable[[], T], missing: T) -> T:
        """Run an operation; return ``missing`` if the tables do not exist yet."""
        try:
            return operation()
        except exc.SQLAlchemyError as error:
            if self._store.is_missing_table(error):
                return missing
            raise self._store.to_read_error(error) from None
