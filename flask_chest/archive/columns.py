"""The columns of a part: fixed fields, typed columns of variables and tags, JSON for the rest.

A typed column is named after the document, the variable and the type: ``vars_total_num``. So a
column has one type in all parts of all time, and files of different parts can be read as one table.
A variable that is a number today and text tomorrow has two columns.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

#: The SQL type of each field of a record that is no document.
FIXED = {
    "id": "VARCHAR",
    "time": "TIMESTAMPTZ",
    "kind": "VARCHAR",
    "request_id": "VARCHAR",
    "trace_id": "VARCHAR",
    "method": "VARCHAR",
    "route": "VARCHAR",
    "endpoint": "VARCHAR",
    "blueprint": "VARCHAR",
    "status": "INTEGER",
    "duration_ms": "DOUBLE",
    "error": "VARCHAR",
    "sample_rate": "DOUBLE",
    "bytes_sent": "BIGINT",
    "disconnected": "BOOLEAN",
}
#: The SQL type of each type of value.
TYPES = {"int": "BIGINT", "num": "DOUBLE", "text": "VARCHAR", "bool": "BOOLEAN", "json": "VARCHAR"}
#: The fields that hold variables and tags.
DOCUMENTS = ("vars", "tags")
#: Typed columns of one document in one part; variables beyond it are in the JSON column.
MAX_COLUMNS = 200
#: Shapes of one document that a part distinguishes; records of others are in the JSON column.
MAX_SHAPES = 1000

# What DuckDB's json_structure() calls a value.
_STRUCTURES = {
    "UBIGINT": "int",
    "BIGINT": "int",
    "DOUBLE": "num",
    "VARCHAR": "text",
    "BOOLEAN": "bool",
}
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]{0,59}")
_NOT_PLAIN = re.compile(r"[^a-z0-9_]")


def column_name(document: str, name: str, kind: str) -> str:
    """Return the name of the typed column of a variable or a tag.

    Parquet readers ignore the case of names, and many dislike dots and quotes: a name that is not
    made of small letters, digits and underscores gets a hash, after ``~``, which no plain name has.

    :param document: ``vars`` or ``tags``.
    :param name: the name of the variable or tag.
    :param kind: a key of :data:`TYPES`.
    """
    if not _PLAIN_NAME.fullmatch(name):
        digest = sha256(name.encode()).hexdigest()[:8]
        name = f"{_NOT_PLAIN.sub('_', name.lower())[:40]}~{digest}"
    return f"{document}_{name}_{kind}"


@dataclass(frozen=True, slots=True)
class Shape:
    """The names and types of one document of a record, in order.

    :param members: pairs of a name and a key of :data:`TYPES`; ``None`` for a value that is null.
    """

    members: tuple[tuple[str, str | None], ...]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """The pairs that have a value."""
        return [(name, kind) for name, kind in self.members if kind is not None]


def parse_shape(text: str) -> Shape:
    """Parse the result of ``json_structure()`` for one document."""
    structure = json.loads(text)
    if not isinstance(structure, dict):
        return Shape(())  # an empty document
    return Shape(tuple((name, _kind(each)) for name, each in structure.items()))


def _kind(structure: Any) -> str | None:
    if structure == "NULL":
        return None
    return _STRUCTURES.get(structure, "json") if isinstance(structure, str) else "json"


@dataclass(frozen=True, slots=True)
class DocumentPlan:
    """How one document of the records of a part is written.

    :param document: ``vars`` or ``tags``.
    :param columns: the typed columns: pairs of a name and a key of :data:`TYPES`.
    :param shapes: the shapes by their text.
    :param steady: the names whose values all have one type, which is not ``json``.
    """

    document: str
    columns: tuple[tuple[str, str], ...]
    shapes: Mapping[str, Shape]
    steady: frozenset[str]

    def named_columns(self) -> list[tuple[str, str, str]]:
        """Name, type and column of each typed column."""
        return [(name, kind, column_name(self.document, name, kind)) for name, kind in self.columns]

    def structure(self) -> str:
        """The structure for DuckDB's ``from_json()``: the type of each name."""
        types = {
            name: TYPES[kind] if name in self.steady else "JSON" for name, kind in self.columns
        }
        return json.dumps(types, ensure_ascii=False)

    def expression(self, name: str, kind: str, struct: str) -> str:
        """The SQL of one typed column.

        :param struct: the SQL name of the result of ``from_json()``.
        """
        value = f'{struct}."{name.replace(chr(34), chr(34) * 2)}"'
        if name in self.steady:
            return value
        json_type = f"json_type({value})"
        if kind == "int":
            is_int = f"{json_type} IN ('UBIGINT', 'BIGINT')"
            return f"CASE WHEN {is_int} THEN TRY_CAST({value}::VARCHAR AS BIGINT) END"
        if kind == "num":
            return f"CASE WHEN {json_type} = 'DOUBLE' THEN CAST({value}::VARCHAR AS DOUBLE) END"
        if kind == "bool":
            return f"CASE WHEN {json_type} = 'BOOLEAN' THEN {value}::VARCHAR = 'true' END"
        if kind == "text":
            return f"CASE WHEN {json_type} = 'VARCHAR' THEN {value}->>'$' END"
        return f"CASE WHEN {json_type} IN ('OBJECT', 'ARRAY') THEN {value}::VARCHAR END"

    def covered(self) -> list[tuple[str, int, bool]]:
        """For each shape: its text, its number of values, and whether columns hold all of them."""
        columns = set(self.columns)
        return [
            (text, len(shape.columns), columns.issuperset(shape.columns))
            for text, shape in self.shapes.items()
        ]


def plan_document(document: str, found: Iterable[tuple[str, int]]) -> DocumentPlan:
    """Choose the typed columns of one document of a part.

    :param document: ``vars`` or ``tags``.
    :param found: the most frequent shapes with their number of records.
    """
    counts = dict(found)
    shapes = {text: parse_shape(text) for text in counts}
    uses: Counter[tuple[str, str]] = Counter()
    for text, shape in shapes.items():
        for pair in shape.columns:
            uses[pair] += counts[text]
    kinds_of: dict[str, set[str]] = {}
    for name, kind in uses:
        kinds_of.setdefault(name, set()).add(kind)
    steady = frozenset(
        name for name, kinds in kinds_of.items() if len(kinds) == 1 and "json" not in kinds
    )
    return DocumentPlan(document, _choose(_ranked(uses)), shapes, steady)


def _ranked(uses: Mapping[tuple[str, str], int]) -> list[tuple[str, str]]:
    return sorted(uses, key=lambda pair: (-uses[pair], pair))


def _choose(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Leave out names that DuckDB cannot tell apart or take, and more columns than allowed."""
    spelled: dict[str, str] = {}
    chosen: list[tuple[str, str]] = []
    for name, kind in pairs:
        if not name or spelled.setdefault(name.lower(), name) != name:
            continue
        if len(chosen) < MAX_COLUMNS:
            chosen.append((name, kind))
    return tuple(sorted(chosen))
