"""Writes encoded records to one Parquet file, through DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .columns import DOCUMENTS, FIXED, MAX_SHAPES, DocumentPlan, plan_document
from .engine import literal, quoted

# Bytes of the text of a shape. Longer ones cost more than the JSON that they would replace.
_MAX_SHAPE = 2000
# The types in which a line of JSON is read. Documents are read as their text.
_LINE_TYPES = {**FIXED, "time": "BIGINT", **dict.fromkeys(DOCUMENTS, "VARCHAR")}
_LINE = "{" + ", ".join(f'"{name}": "{kind}"' for name, kind in _LINE_TYPES.items()) + "}"
# DuckDB reads an integer beyond 64 bits as a double, which the JSON keeps exactly.
_LONG_INTEGER = "[0-9]{20}"
_MAX_EXACT = "1.8e19"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFile:
    """The contents of a written file.

    :param records: the number of records.
    :param first_time: the time of the oldest record: microseconds since 1970, UTC.
    :param last_time: the time of the newest record.
    :param first_id: the least id.
    :param last_id: the greatest id.
    :param columns: for ``vars`` and ``tags``: name, type and column of each typed column.
    :param rest: for ``vars`` and ``tags``: how many records have a value in the JSON column.
    """

    records: int
    first_time: int
    last_time: int
    first_id: str
    last_id: str
    columns: dict[str, list[tuple[str, str, str]]]
    rest: dict[str, int]


class PartWriter:
    """Collects encoded records, and writes them as one Parquet file.

    :param connection: a connection of DuckDB that nothing else uses meanwhile.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in _LINE_TYPES.items())
        shapes = ", ".join(f"{document}_shape VARCHAR" for document in DOCUMENTS)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE chest_rows ({columns}, {shapes})")

    def add(self, lines: bytes) -> None:
        """Add encoded records, separated by newlines, in the order of time and id."""
        # The struct is taken apart by "d.*": unnest() would parse each line once for each field.
        shapes = ", ".join(f"json_structure(d.{each})::VARCHAR" for each in DOCUMENTS)
        self._connection.execute(
            f"INSERT INTO chest_rows SELECT d.*, {shapes} FROM (SELECT from_json(line, ?) AS d "  # noqa: S608
            "FROM (SELECT unnest(string_split(?, chr(10))) AS line) WHERE line <> '')",
            [_LINE, lines.decode()],
        )

    def remove_ids(self, parquet_files: Sequence[str], start: int, end: int) -> None:
        """Remove the records whose ids are in some Parquet files already.

        :param start: the time of the oldest record that was added, or earlier: microseconds since
            1970, UTC.
        :param end: the time of the newest record, or later.
        """
        if parquet_files:
            files = ", ".join(map(literal, parquet_files))
            known = (
                f"SELECT id FROM read_parquet([{files}]) WHERE time >= make_timestamptz({start}) "  # noqa: S608
                f"AND time <= make_timestamptz({end})"
            )
            self._connection.execute(f"DELETE FROM chest_rows WHERE id IN ({known})")  # noqa: S608

    def count(self) -> int:
        """The number of records that were added."""
        return int(self._one("SELECT count(*) FROM chest_rows")[0])

    def finish(self, file: Path) -> PartFile:
        """Write the file; at least one record was added."""
        plans = [plan_document(each, self._shapes(each)) for each in DOCUMENTS]
        for plan in plans:
            self._store_shapes(plan)
        query = _part_query(plans)
        options = "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false"
        self._connection.execute(f"COPY ({query}) TO {literal(str(file))} ({options})")
        return self._summary(file, plans)

    def _shapes(self, document: str) -> list[tuple[str, int]]:
        shape = f"{document}_shape"
        query = (
            f"SELECT {shape}, count(*) FROM chest_rows WHERE strlen({shape}) <= {_MAX_SHAPE} "  # noqa: S608
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MAX_SHAPES}"
        )
        found: list[tuple[str, int]] = self._connection.execute(query).fetchall()
        return found

    def _store_shapes(self, plan: DocumentPlan) -> None:
        table = f"chest_{plan.document}_shapes"
        rows = plan.covered()
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT unnest(?::VARCHAR[]) AS shape, "
            "unnest(?::INTEGER[]) AS expected, unnest(?::BOOLEAN[]) AS covered",
            [[row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]],
        )

    def _summary(self, file: Path, plans: Sequence[DocumentPlan]) -> PartFile:
        rest = ", ".join(f"count({each})" for each in DOCUMENTS)
        row = self._one(
            "SELECT count(*), epoch_us(min(time)), epoch_us(max(time)), min(id), max(id), "  # noqa: S608
            f"{rest} FROM read_parquet({literal(str(file))})"
        )
        return PartFile(
            records=row[0],
            first_time=row[1],
            last_time=row[2],
            first_id=row[3],
            last_id=row[4],
            columns={plan.document: plan.named_columns() for plan in plans},
            rest=dict(zip(DOCUMENTS, row[5:], strict=True)),
        )

    def _one(self, query: str) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._connection.execute(query).fetchone()
        return row


def _part_query(plans: Sequence[DocumentPlan]) -> str:
    """The ``SELECT`` of a part's rows."""
    fixed = ", ".join(_FIXED_EXPRESSIONS.get(name, quoted(name)) for name in FIXED)
    source = "chest_rows"
    selected = [fixed]
    for plan in plans:
        document = plan.document
        source = (
            f"(SELECT r.*, {_typed_values(plan)} FROM {source} r "  # noqa: S608
            f"LEFT JOIN chest_{document}_shapes s ON s.shape = r.{document}_shape)"
        )
        selected += _document_columns(plan)
    return f"SELECT {', '.join(selected)} FROM {source}"  # noqa: S608


# The default request id is the record's own id; to store both costs a quarter of a part.
_FIXED_EXPRESSIONS = {
    "time": "make_timestamptz(time) AS time",
    "request_id": "nullif(request_id, id) AS request_id",
}


def _typed_values(plan: DocumentPlan) -> str:
    """The SQL of a document's values, as a struct, and of what is known of its shape."""
    document = plan.document
    known = f"CASE WHEN s.shape IS NOT NULL THEN r.{document} END"
    values = f"from_json({known}, {literal(plan.structure())})" if plan.columns else "NULL"
    return (
        f"{values} AS {document}_values, s.expected AS {document}_expected, "
        f"s.covered AS {document}_covered"
    )


def _document_columns(plan: DocumentPlan) -> list[str]:
    document = plan.document
    columns = plan.named_columns()
    values = {
        column: plan.expression(name, kind, f"{document}_values") for name, kind, column in columns
    }
    found = " + ".join(f"({each} IS NOT NULL)::INTEGER" for each in values.values()) or "0"
    # An integer beyond 64 bits has the shape of another number, and no exact value in a column.
    is_whole = f"coalesce({document}_covered AND {found} = {document}_expected, false)"
    for _, kind, column in columns:
        if kind == "num":
            is_whole += f" AND coalesce(abs({values[column]}) < {_MAX_EXACT}, true)"
    if any(kind == "json" for _, kind, _ in columns):
        is_whole += f" AND NOT regexp_matches({document}, '{_LONG_INTEGER}')"
    return [
        *(f"{expression} AS {quoted(column)}" for column, expression in values.items()),
        f"CASE WHEN {is_whole} THEN {document}_shape END AS {document}_shape",
        f"CASE WHEN NOT ({is_whole}) THEN {document} END AS {document}",
    ]
