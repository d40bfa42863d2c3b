"""Answers from the archive and from the rows of the store that no part has yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, TypeVar

from ..chests.archive_source import ArchiveSource
from ..chests.reader import PAGE, SCAN_LIMIT, Reader, merge_records
from ..query.aggregation import empty_series, summary_at
from ..query.answer import Answer, Group, Series, Summary
from ..query.query import Query
from ..record.json_line import EPOCH, to_microseconds
from ..record.record import Record
from .archive import Archive, Snapshot
from .archive_query import OTHERS, Question
from .engine import literal, quoted, suppress_engine_errors
from .errors import DamagedPartError
from .range_pieces import newest_first, pieces_of_records
from .records import RecordDecoder
from .unarchived_rows import END, Tail

T = TypeVar("T")

_END = datetime(9999, 12, 31, tzinfo=timezone.utc)
_WHOLE_TIME = Query(since=EPOCH, until=_END)
# A part may be replaced while it is read.
_MAX_ATTEMPTS = 5
_MEMORY_LIMIT = 128 * 1024 * 1024
_TRACE_ID_LENGTH = 32


class ArchiveReader(Reader):
    """Answers every question exactly, from columns.

    The store itself is asked for the open hour and for late records only.

    :param archive: the archive.
    :param source: the rows of the store; closed with the reader.
    :param store: the reader of the store; closed with the reader.
    :param threads: threads that one question uses.
    """

    reads_archive = True
    #: Rows of the open tail above which the store itself answers: the archive is still being built.
    max_tail = 2_000_000
    #: Seconds for which the rows of the last question are used again.
    fresh_seconds = 1.0
    #: Seconds until the store is asked again whether the archive is ready.
    _RECHECK = 30.0

    def __init__(
        self, archive: Archive, source: ArchiveSource, store: Reader, threads: int = 2
    ) -> None:
        super().__init__(store.name)
        self._archive = archive
        self._source = source
        self._store = store
        self._threads = threads
        self._lock = threading.RLock()
        self._is_ready, self._checked = False, float("-inf")
        # Opened when the archive has parts.
        self._connection: Any = None
        self.tail: Any = None

    @property
    def adds_percentiles(self) -> bool:  # type: ignore[override]
        """Whether the store answers, whose summaries can be added up."""
        return not self._ready()

    def _ready(self) -> bool:
        """Whether the archive has parts, and few enough rows are in none."""
        with self._lock:
            if time.monotonic() - self._checked > self._RECHECK:
                until = self._archive.snapshot().until
                self._is_ready = bool(until) and self._source.count(until, END) <= self.max_tail
                if self._is_ready and self._connection is None:
                    self._open()
                self._checked = time.monotonic()
            return self._is_ready

    def _open(self) -> None:
        self._connection = self._archive.connect(threads=self._threads, memory_limit=_MEMORY_LIMIT)
        self._connection.execute("SET TimeZone = 'UTC'")
        # DuckDB 1.1 does not know this setting.
        with suppress_engine_errors():
            self._connection.execute("SET parquet_metadata_cache = true")
        self.tail = Tail(self._archive, self._source, self._store.fetch, self._connection)
        self.tail.fresh_seconds = self.fresh_seconds

    def latest(self, limit: int) -> list[Record]:
        return self.page(_WHOLE_TIME, limit=limit)[::-1]

    def ids_after(self, record_id: str) -> set[str]:
        # Only recent ids are asked for, and the store has these.
        return self._store.ids_after(record_id)

    def fetch(self, ids: Sequence[str]) -> Iterator[Record]:
        if not self._ready():
            yield from self._store.fetch(ids)
            return
        stored = list(self._store.fetch(ids))
        missing = {*ids} - {each.id for each in stored}
        archived = self._find(f"id IN ({_listed(missing)})") if missing else []
        yield from merge_records(stored, archived)

    def find(self, identity: str, limit: int = PAGE) -> list[Record]:
        if not self._ready():
            return self._store.find(identity, limit)
        if not identity or "\0" in identity:
            return []
        text = literal(identity)
        found = self._find(f"id = {text} OR request_id = {text}", limit)
        if not found and len(identity) == _TRACE_ID_LENGTH:
            found = self._find(f"trace_id = {text}", limit)
        return found

    def page(self, query: Query, *, after: str = "", limit: int = PAGE) -> list[Record]:
        if not self._ready():
            return self._store.page(query, after=after, limit=limit)

        def ask(snapshot: Snapshot) -> list[Record]:
            last = self._last_of_page(snapshot, after)
            if not limit or (after and last is None):
                return []
            found: list[Record] = []
            for part in newest_first(query, snapshot):
                found += self._page(snapshot, part, last, limit - len(found))
                if len(found) >= limit:
                    break
            return found

        return self._ask(ask)

    def scan_start(self, query: Query, records: int = SCAN_LIMIT) -> datetime | None:
        if not self._ready():
            return self._store.scan_start(query, records)
        return None  # columns are searched whole

    def iter_records(self, query: Query, page: int = 1000) -> Iterator[Record]:
        if not self._ready():
            yield from self._store.iter_records(query, page)
            return
        for part in self._ask(
            lambda snapshot: pieces_of_records(query, self._question(snapshot, query))
        ):
            yield from self._ask(
                lambda snapshot, part=part: self._select(  # type: ignore[misc]
                    self._question(snapshot, part), "ORDER BY time, id"
                )
            )

    def count(self, query: Query) -> int:
        if not self._ready():
            return self._store.count(query)

        def ask(snapshot: Snapshot) -> int:
            question = self._question(snapshot, query)
            if question.is_empty:
                return 0
            return int(question.rows(question.records("count(*)", ""))[0][0])

        return self._ask(ask)

    def answer(self, query: Query, limit: int = 20) -> Answer:
        if not self._ready():
            return self._store.answer(query, limit)
        return self._ask(lambda snapshot: self._answer(self._question(snapshot, query), limit))

    def series(
        self, query: Query, step: float, lines: int = 8, keys: Sequence[str | None] | None = None
    ) -> Series:
        if not self._ready():
            return self._store.series(query, step, lines, keys)

        def ask(snapshot: Snapshot) -> Series:
            question = self._question(snapshot, query)
            series = empty_series(query, step)
            if question.is_empty:
                return series
            listed = keys
            if query.by is not None and listed is None:
                listed = [key for (key,) in question.top(lines)]
            groups = question.groups(listed if query.by is not None else None, step)
            for (place, interval), summary in groups.items():
                if (place is None) == (query.by is None) and place != OTHERS:
                    key = None if place is None or listed is None else listed[place]
                    summary_at(series, key, interval or 0).merge(summary)
            return series

        return self._ask(ask)

    def names(self, query: Query) -> list[str]:
        recent = self.page(query, limit=PAGE * 2)
        return sorted({name for record in recent for name in record.vars})

    def check(self) -> None:
        self._store.check()
        if self._ready():
            self._archive.snapshot()

    def exists(self) -> bool:
        return self._store.exists() or self._ready()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
        self._source.close()
        self._store.close()

    def _ask(self, ask: Callable[[Snapshot], T]) -> T:
        """Ask a question; ask again if a part was replaced meanwhile."""
        with self._lock:
            for attempt in range(_MAX_ATTEMPTS):
                snapshot = self.tail.refresh()
                try:
                    return ask(snapshot)
                except DamagedPartError as error:
                    self.tail.invalidate()
                    names = {part.name for part in self._archive.snapshot().parts}
                    if error.name in names or attempt + 1 == _MAX_ATTEMPTS:
                        raise
        raise AssertionError("unreachable")

    def _question(self, snapshot: Snapshot, query: Query) -> Question:
        parts = snapshot.between(to_microseconds(query.since), to_microseconds(query.until))
        return Question(self._archive, parts, self.tail.tables, query, self._connection)

    def _answer(self, question: Question, limit: int) -> Answer:
        if question.is_empty:
            return Answer([], Summary())
        if not question.is_grouped:
            total = question.groups(None).get((None, None), Summary())
            return Answer([Group(None, total)] if total.rows else [], Summary())
        keys: list[str | None] = [key for (key,) in question.top(limit + 1)]
        listed = keys[:limit]
        groups = question.groups(listed)
        return Answer(
            [Group(key, groups[place, None]) for place, key in enumerate(listed)],
            groups.get((OTHERS, None), Summary()),
            complete=len(keys) <= limit,
            total=groups.get((None, None)),
        )

    def _find(self, condition: str, limit: int | None = None) -> list[Record]:
        def ask(snapshot: Snapshot) -> list[Record]:
            question = self._question(snapshot, _WHOLE_TIME)
            more = f"AND ({condition}) ORDER BY time, id"
            return self._select(question, more if limit is None else f"{more} LIMIT {limit}")

        return self._ask(ask)

    def _last_of_page(self, snapshot: Snapshot, record_id: str) -> tuple[int, str] | None:
        """The time of a record, in microseconds, and its id."""
        question = self._question(snapshot, _WHOLE_TIME)
        if not record_id or question.is_empty:
            return None
        condition = f"AND id = {literal(record_id)}"
        rows = question.rows(question.records("epoch_us(time), id", condition))
        return rows[0] if rows else None

    def _page(
        self, snapshot: Snapshot, query: Query, last: tuple[int, str] | None, limit: int
    ) -> list[Record]:
        question = self._question(snapshot, query)
        if question.is_empty:
            return []
        earlier = ""
        if last is not None:
            moment = f"make_timestamptz({last[0]})"
            earlier = f"AND (time < {moment} OR (time = {moment} AND id < {literal(last[1])})) "
        order = "ORDER BY time DESC, id DESC"
        found = question.rows(question.records("id", f"{earlier}{order} LIMIT {limit}"))
        if not found:
            return []
        # Only these records are read whole.
        return self._select(question, f"AND id IN ({_listed(i for (i,) in found)}) {order}")

    def _select(self, question: Question, more: str) -> list[Record]:
        if question.is_empty:
            return []
        names = question.layout.names()
        columns = ("epoch_us(time)" if name == "time" else quoted(name) for name in names)
        rows = question.rows(question.records(", ".join(columns), more))
        return list(map(RecordDecoder(names), rows))


def _listed(ids: Any) -> str:
    return ", ".join(map(literal, ids))
