"""One question about the records of an archive and of its open tail, as SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from ..query.answer import Summary
from ..query.fields import Field
from ..query.filter_parsing import Filter
from ..query.query import Query
from ..query.values import fold
from ..record.json_line import to_microseconds
from .archive import Archive
from .engine import is_engine_error, literal, to_archive_error
from .field_sql import FieldSQL, Layout
from .manifest import Manifest
from .unarchived_rows import TailTable

_SECOND = 1_000_000
_FRACTIONS = (0.5, 0.95, 0.99)
# The rounding of query.percentiles.
_ROUNDING = "0.999999999"
_MAX_FLOAT = 1.7976931348623157e308

# Whether a part has records with a sample rate. A part never changes, and its name is random.
_SAMPLED_PARTS: dict[str, bool] = {}
_MAX_KNOWN = 100_000

#: The key of a group that is not listed.
OTHERS = -1


class Question:
    """The SQL of one question.

    :param archive: the archive.
    :param parts: the parts of the range.
    :param tables: the open tail.
    :param query: the question.
    :param connection: a connection of DuckDB that nothing else uses meanwhile.
    """

    def __init__(
        self,
        archive: Archive,
        parts: Sequence[Manifest],
        tables: Sequence[TailTable],
        query: Query,
        connection: Any,
    ) -> None:
        self._archive = archive
        self._parts = parts
        self._tables = tables
        self._connection = connection
        self._query = query
        self.layout = Layout.of([*parts, *tables])
        self.is_empty = not parts and not tables
        self._relation = self._make_relation()
        self._source = f"{self._relation} WHERE true"
        self._fields: dict[Field, FieldSQL] = {}
        self._conditions = ["true"]
        if not self.is_empty:
            self._prepare()

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        """Run a query.

        :raises DamagedPartError: the file of a part is missing or damaged.
        """
        try:
            found: list[tuple[Any, ...]] = self._connection.execute(select).fetchall()
        except Exception as error:
            if not is_engine_error(error):
                raise
            for part in self._parts:
                self._archive.verify(part)
            raise to_archive_error(error, self._archive.storage.root) from None
        return found

    def records(self, columns: str, more: str) -> str:
        """The SQL that selects columns of the matching records.

        :param more: further clauses, e.g. the order.
        """
        joins = "".join(each.join for each in self._fields.values())
        return f"SELECT {columns} FROM {self._relation}{joins} WHERE {self._where} {more}"  # noqa: S608

    def top(self, limit: int) -> list[tuple[str | None]]:
        """The keys of the biggest groups, in the order of ``query.aggregation.rank``."""
        # Counting is faster than adding ones.
        count = "floor(sum(w) * 1000 + 0.5)" if self._is_weighted else "count(*)"
        order = f"GROUP BY k ORDER BY {count} DESC, k IS NULL, k LIMIT {limit}"
        return self.rows(f"SELECT k FROM ({self._facts(None)}) {order}")  # noqa: S608

    def groups(
        self, keys: Sequence[str | None] | None, step: float | None = None
    ) -> dict[tuple[int | None, int | None], Summary]:
        """The aggregates of groups, and of all records.

        :param keys: the groups; all others become one group. ``None`` makes no groups.
        :param step: length in seconds of an interval; default: no intervals.
        :returns: summaries by position of the group and number of the interval. The position is
            ``None`` for the summary of all records, and :data:`OTHERS` for other groups.
        """
        facts = self._facts(step)
        group = "NULL::INTEGER"
        if keys is not None:
            self._connection.execute(
                "CREATE OR REPLACE TEMP TABLE chest_keys AS SELECT unnest(?::VARCHAR[]) AS listed, "
                "unnest(range(?)) AS place",
                [list(keys), len(keys)],
            )
            join = "LEFT JOIN chest_keys ON listed IS NOT DISTINCT FROM k"
            facts = f"SELECT *, coalesce(place, {OTHERS}) AS g FROM ({facts}) {join}"  # noqa: S608
            group = "g"
        interval = "NULL::INTEGER" if step is None else "b"
        found: dict[tuple[int | None, int | None], Summary] = {}
        for each in dict.fromkeys((group, "NULL::INTEGER")):
            select = _weighted if self._is_weighted else _unweighted
            for place, number, *values in self.rows(select(facts, each, interval)):
                found[place, number] = _summary(values)
        return found

    @cached_property
    def _is_weighted(self) -> bool:
        """Whether some records of the range count more than once."""
        return any(self._samples(f"SELECT * FROM {table.name}") for table in self._tables) or any(  # noqa: S608
            self._part_samples(part) for part in self._parts
        )

    def _part_samples(self, part: Manifest) -> bool:
        known = _SAMPLED_PARTS.get(part.name)
        if known is None:
            file = literal(self._archive.path(part))
            known = self._samples(f"SELECT * FROM read_parquet({file})")  # noqa: S608
            if len(_SAMPLED_PARTS) >= _MAX_KNOWN:
                _SAMPLED_PARTS.clear()
            _SAMPLED_PARTS[part.name] = known
        return known

    def _samples(self, records: str) -> bool:
        found = self.rows(f"SELECT bool_or(sample_rate <> 1) FROM ({records})")  # noqa: S608
        return bool(found[0][0])

    @property
    def is_grouped(self) -> bool:
        """Whether the question groups by a field."""
        return self._query.by is not None

    @property
    def _where(self) -> str:
        return " AND ".join(self._conditions)

    def _make_relation(self) -> str:
        """The SQL of all records of the range as one table."""
        since, until = (to_microseconds(each) for each in (self._query.since, self._query.until))
        within = f"time >= make_timestamptz({since}) AND time < make_timestamptz({until})"
        # Parts that are in the range as a whole need no condition, so their times are not read.
        edge = [each for each in self._parts if each.first_time < since or each.last_time >= until]
        inner = [each for each in self._parts if each not in edge]
        pieces = [f"{_select(map(self._archive.path, inner))}"] if inner else []
        if edge:
            pieces.append(f"{_select(map(self._archive.path, edge))} WHERE {within}")
        pieces += [f"SELECT * FROM {table.name} WHERE {within}" for table in self._tables]  # noqa: S608
        return f"({' UNION ALL BY NAME '.join(pieces)})"

    def _prepare(self) -> None:
        query = self._query
        named = [query.by, query.measure, *(each.field for each in query.where)]
        for place, field in enumerate(dict.fromkeys(each for each in named if each is not None)):
            self._fields[field] = FieldSQL(field, place, self.layout)
        contains = [each for each in query.where if each.operator == "~"]
        for wanted in query.where:
            if wanted not in contains:
                self._conditions.append(self._fields[wanted.field].condition(wanted))
        for field_sql in self._fields.values():
            if field_sql.has_odd_values:
                field_sql.load(self.rows, self._connection.execute, self._source)
        self._conditions += [self._contains(*pair) for pair in enumerate(contains)]

    def _contains(self, place: int, wanted: Filter) -> str:
        """The SQL of the filter "contains": Python compares each different value."""
        field = self._fields[wanted.field]
        text = field.spelling()
        found = self.rows(
            f"SELECT DISTINCT {text} FROM {self._relation}{field.join} "  # noqa: S608
            f"WHERE {self._conditions[0]} AND {text} IS NOT NULL"
        )
        part = fold(wanted.literal.text)
        table = f"chest_contains_{place}"
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT unnest(?::VARCHAR[]) AS spelling",
            [[each for (each,) in found if part in fold(each)]],
        )
        return f"{text} IN (SELECT spelling FROM {table})"  # noqa: S608

    def _facts(self, step: float | None) -> str:
        """The SQL of key, interval, number, weight and error of each matching record."""
        query = self._query
        key = "NULL::VARCHAR" if query.by is None else self._fields[query.by].spelling()
        weight = "1.0::DOUBLE / sample_rate" if self._is_weighted else "1.0::DOUBLE"
        interval = "0"
        if step is not None:
            origin = to_microseconds(query.first_interval)
            interval = f"(epoch_us(time) - {origin}) // {max(1, round(step * _SECOND))}"
        columns = (
            f"{key} AS k, {interval} AS b, {self._fields[query.measure].number()} AS x, "
            f"{weight} AS w, error IS NOT NULL OR coalesce(status, 0) >= 500 AS e"
        )
        return self.records(columns, "")


def _unweighted(facts: str, group: str, interval: str) -> str:
    fractions = ", ".join(map(str, _FRACTIONS))
    return (
        f"SELECT {group}, {interval}, count(*), count(*)::DOUBLE, "  # noqa: S608
        "count(*) FILTER (e)::DOUBLE, count(x)::DOUBLE, sum(x), min(x), max(x), "
        f"quantile_disc(x, [{fractions}]) FROM ({facts}) GROUP BY {group}, {interval}"
    )


def _weighted(facts: str, group: str, interval: str) -> str:
    ranks = ", ".join(
        f"min(x) FILTER (passed >= {each} * {_ROUNDING} * total)" for each in _FRACTIONS
    )
    window = "PARTITION BY g, b"
    return f"""
        WITH facts AS (SELECT {group} AS g, {interval} AS b, x, w, e FROM ({facts})),
        ranked AS (
            SELECT g, b, x, sum(sum(w)) OVER ({window} ORDER BY x) AS passed,
                sum(sum(w)) OVER ({window}) AS total
            FROM facts WHERE x IS NOT NULL GROUP BY g, b, x
        ),
        percentiles AS (SELECT g, b, [{ranks}] AS p FROM ranked GROUP BY g, b),
        counts AS (
            SELECT g, b, count(*) AS n, sum(w) AS w, coalesce(sum(w) FILTER (e), 0) AS e,
                coalesce(sum(w) FILTER (x IS NOT NULL), 0) AS m, sum(w * x) AS s,
                min(x) AS low, max(x) AS high
            FROM facts GROUP BY g, b
        )
        SELECT c.g, c.b, n, w, e, m, s, low, high, p FROM counts c
        LEFT JOIN percentiles p ON p.g IS NOT DISTINCT FROM c.g AND p.b IS NOT DISTINCT FROM c.b
    """  # noqa: S608


def _summary(values: Sequence[Any]) -> Summary:
    rows, count, errors, measured, total, low, high, percentiles = values
    total = 0.0 if total is None else min(max(total, -_MAX_FLOAT), _MAX_FLOAT)
    return Summary(
        count=count,
        rows=rows,
        errors=errors,
        total=total,
        low=low,
        high=high,
        measured=measured,
        known_percentiles=percentiles or [None for _ in _FRACTIONS],
    )


def _select(files: Iterable[str]) -> str:
    listed = ", ".join(map(literal, files))
    return f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"  # noqa: S608
