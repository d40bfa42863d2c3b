"""The SQL of fields and filters over the columns of parts, by the rules of ``docs/meaning.rst``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..query.fields import Field
from ..query.filter_matching import value_matches
from ..query.filter_parsing import Filter
from ..query.values import spelling
from ..record.json_line import loads
from .columns import FIXED
from .engine import literal, quoted

_KINDS = {"INTEGER": "int", "BIGINT": "int", "DOUBLE": "num", "VARCHAR": "text", "BOOLEAN": "bool"}
_LEAST_INT, _GREATEST_INT = -(2**63), 2**63 - 1
_NOTHING, _EVERYTHING = "false", "{0} IS NOT NULL"

#: Returns the rows of a query.
Run = Callable[[str], list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that the parts and the open tail of one question have.

    :param columns: the typed columns of each variable and tag: the column of each type.
    :param rest: the documents that some record has as JSON.
    """

    columns: Mapping[tuple[str, str], Mapping[str, str]]
    rest: frozenset[str]

    @classmethod
    def of(cls, parts: Iterable[Any]) -> Layout:
        """The columns of some parts.

        :param parts: objects with the attributes ``columns`` and ``rest`` of a manifest.
        """
        columns: dict[tuple[str, str], dict[str, str]] = {}
        rest: set[str] = set()
        for part in parts:
            for document, some in part.columns.items():
                for name, kind, column in some:
                    columns.setdefault((document, name), {})[kind] = column
            rest.update(document for document, count in part.rest.items() if count)
        return cls(columns, frozenset(rest))

    def names(self) -> list[str]:
        """The names of all columns, as a record needs them."""
        typed = (column for kinds in self.columns.values() for column in kinds.values())
        return [*FIXED, *dict.fromkeys(typed), "vars_shape", "vars", "tags_shape", "tags"]

    def typed(self, field: Field) -> dict[str, str]:
        """The SQL of a field's values by type: ``int``, ``num``, ``text``, ``bool`` or ``raw``.

        ``raw`` is JSON text: of lists, objects, and whatever the typed columns could not hold.
        """
        if not field.document:
            return {_KINDS[FIXED[field.name]]: _column(field.name)}
        columns = self.columns.get((field.document, field.name), {})
        found = {"raw" if kind == "json" else kind: quoted(name) for kind, name in columns.items()}
        if field.document not in self.rest:
            return found
        # The typed columns of a record that has the document as JSON may be inexact.
        has_columns = f"{field.document} IS NULL"
        found = {kind: f"CASE WHEN {has_columns} THEN {name} END" for kind, name in found.items()}
        pointer = "/" + field.name.replace("~", "~0").replace("/", "~1")
        value = f"nullif(json_extract({field.document}, {literal(pointer)})::VARCHAR, 'null')"
        return found | {"raw": f"coalesce({value}, {found['raw']})" if "raw" in found else value}


def _column(name: str) -> str:
    if name == "request_id":
        return "nullif(coalesce(request_id, id), '')"  # the default is not stored
    return f"nullif({quoted(name)}, '')" if FIXED[name] == "VARCHAR" else quoted(name)


class FieldSQL:
    """The SQL of one field in one question.

    Values that are JSON text are few. They are read by Python, and joined as a table.

    :param field: the field.
    :param number: distinguishes the fields of a question.
    :param layout: the columns of the question.
    """

    def __init__(self, field: Field, number: int, layout: Layout) -> None:
        self.field = field
        self._typed = layout.typed(field)
        self._table = f"chest_odd_{number}"
        self._filters: list[Filter] = []

    @property
    def has_odd_values(self) -> bool:
        """Whether Python has to read some of the values."""
        return "raw" in self._typed

    @property
    def join(self) -> str:
        """The SQL that joins the values that Python has read."""
        if not self.has_odd_values:
            return ""
        return f" LEFT JOIN {self._table} ON {self._table}.raw = {self._typed['raw']}"

    def load(self, run: Run, execute: Callable[[str, list[Any]], object], source: str) -> None:
        """Let Python read the values that are JSON text.

        :param run: returns the rows of a query.
        :param execute: runs a statement with parameters.
        :param source: the SQL of the records, with a condition on their time.
        """
        raw = self._typed["raw"]
        found = run(f"SELECT DISTINCT {raw} FROM {source} AND {raw} IS NOT NULL")  # noqa: S608
        values = [loads(text) for (text,) in found]
        columns: list[tuple[str, str, list[Any]]] = [
            ("raw", "VARCHAR", [text for (text,) in found]),
            ("spelling", "VARCHAR", [spelling(each) for each in values]),
            ("number", "DOUBLE", [_number(each) for each in values]),
        ]
        for place, each in enumerate(self._filters):
            matching = [value_matches(value, each) for value in values]
            columns.append((f"matches_{place}", "BOOLEAN", matching))
        unnested = ", ".join(f"unnest(?::{kind}[]) AS {name}" for name, kind, _ in columns)
        execute(
            f"CREATE OR REPLACE TEMP TABLE {self._table} AS SELECT {unnested}",
            [values for _, _, values in columns],
        )

    def spelling(self) -> str:
        """The SQL of the spelling of a value; NULL if there is none."""
        spelled = {
            "text": "{0}",
            "int": "{0}::VARCHAR",
            "num": _SPELLED_NUMBER,
            "bool": "CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END",
        }
        found = [
            spelled[kind].format(value) for kind, value in self._typed.items() if kind in spelled
        ]
        if self.has_odd_values:
            found.append(f"{self._table}.spelling")
        return _first_of(found, "VARCHAR")

    def number(self) -> str:
        """The SQL of a value as a double; NULL if it is no number."""
        found = [f"{self._typed[kind]}::DOUBLE" for kind in ("num", "int") if kind in self._typed]
        if self.has_odd_values:
            found.append(f"{self._table}.number")
        return _first_of(found, "DOUBLE")

    def condition(self, wanted: Filter) -> str:
        """The SQL of a filter, other than "contains"."""
        if wanted.operator == "!=":
            equal = Filter(wanted.field, "=", wanted.value)
            return f"NOT coalesce({self.condition(equal)}, false)"
        found = []
        if wanted.is_ordered or wanted.literal.kind == "number":
            found += self._compared(wanted.number, wanted.operator)
        if not wanted.is_ordered:
            found += self._equal(wanted)
        if self.has_odd_values:
            found.append(f"{self._table}.matches_{len(self._filters)}")
            self._filters.append(wanted)
        return f"({' OR '.join(found)})" if found else _NOTHING

    def _compared(self, number: float, operator: str) -> list[str]:
        found = []
        if "int" in self._typed:
            found.append(_compare_integers(operator, number).format(self._typed["int"]))
        if "num" in self._typed:
            found.append(_compare_doubles(operator, number).format(self._typed["num"]))
        return found

    def _equal(self, wanted: Filter) -> list[str]:
        value = wanted.literal
        found = []
        if value.kind in ("nothing", "null"):
            values = [*self._typed.values()]
            found.append(" AND ".join(f"{each} IS NULL" for each in values) or "true")
        if value.kind != "nothing" and "text" in self._typed:
            found.append(f"{self._typed['text']} = {literal(value.text)}")
        if value.kind == "boolean" and "bool" in self._typed:
            found.append(f"{self._typed['bool']} = {value.text}")
        return found


# Whole numbers in digits; an exponent as 1e22 and 1e-7, where DuckDB writes 1e+22 and 1e-07.
_SPELLED_NUMBER = (
    "CASE WHEN {0} = trunc({0}) AND {0} >= -9223372036854775808 AND {0} < 18446744073709551616 "
    "THEN {0}::HUGEINT::VARCHAR "
    "ELSE regexp_replace(replace({0}::VARCHAR, 'e+', 'e'), 'e(-?)0+', 'e\\1') END"
)


def _first_of(values: list[str], kind: str) -> str:
    if not values:
        return f"NULL::{kind}"
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value)


def _compare_integers(operator: str, number: float) -> str:
    """The SQL that compares a column of integers of 64 bits with any number, exactly."""
    if isinstance(number, float) and not number.is_integer():
        if operator == "=":
            return _NOTHING
        # 2.5 is less than 3, and greater than 2.
        operator = {">": ">", ">=": ">", "<": "<=", "<=": "<="}[operator]
        number = number // 1
    whole = int(number)
    if whole > _GREATEST_INT:
        return _EVERYTHING if operator in ("<", "<=") else _NOTHING
    if whole < _LEAST_INT:
        return _EVERYTHING if operator in (">", ">=") else _NOTHING
    return f"{{0}} {operator} {literal(str(whole))}::BIGINT"


def _compare_doubles(operator: str, number: float) -> str:
    """The SQL that compares a column of doubles with any number, exactly."""
    try:
        nearest = float(number)
    except OverflowError:
        return _EVERYTHING if (operator in ("<", "<=")) == (number > 0) else _NOTHING
    if nearest != number:  # an integer beyond 2^53
        if operator == "=":
            return _NOTHING
        is_beyond = nearest > number
        operator = {True: {">": ">=", "<=": "<"}, False: {">=": ">", "<": "<="}}[is_beyond].get(
            operator, operator
        )
    return f"{{0}} {operator} {literal(repr(nearest))}::DOUBLE"
