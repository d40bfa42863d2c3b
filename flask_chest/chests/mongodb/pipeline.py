"""Conditions and aggregation stages for MongoDB."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from ...query.fields import Field
from ...query.filter_parsing import Filter
from ...query.number_comparison import as_float
from ...query.query import Query
from ...query.values import fold
from .documents import field_path, to_stored

#: Decides in Python which values fulfil a filter, and returns the condition that finds them. Its
#: arguments are the filter and the condition of the documents that MongoDB cannot decide about.
Decide: TypeAlias = Callable[[Filter, dict[str, Any]], dict[str, Any]]

_NOT_A_LIST: dict[str, Any] = {"$not": {"$type": "array"}}
_NEVER: dict[str, Any] = {"_id": {"$in": []}}
_NON_ASCII = r"[^\x00-\x7f]"
_COMPARISONS = {"=": "$eq", ">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
_WEIGHT = {"$divide": [1.0, "$sample_rate"]}
_INT_TYPES = ["int", "long", "decimal"]
_NUMBER_TYPES = [*_INT_TYPES, "double"]
# Greater numbers are doubles.
_DECIMAL_LIMIT = 2**64


def in_ranges(ranges: Iterable[tuple[datetime, datetime]]) -> dict[str, Any]:
    """Return the condition that a record's time lies in one of the ranges."""
    listed = [
        {"time": {"$gte": _rounded_up(begin), "$lt": _rounded_up(end)}} for begin, end in ranges
    ]
    return listed[0] if len(listed) == 1 else {"$or": listed}


def _rounded_up(time: datetime) -> datetime:
    # MongoDB keeps milliseconds, and the driver cuts off the rest of a time.
    return time + timedelta(microseconds=-time.microsecond % 1000)


def condition(wanted: Filter, decide: Decide) -> dict[str, Any]:
    """Return the condition for a filter, by the rules of ``docs/meaning.rst``.

    :param decide: decides in Python about values that MongoDB cannot compare.
    """
    path, sign = field_path(wanted.field), wanted.operator
    if wanted.is_ordered:
        return _is_compared(path, sign, wanted.number)
    if sign == "~":
        return _contains(wanted, path, decide)
    found = _equals(wanted, path, decide)
    return {"$nor" if sign == "!=" else "$or": found}


def _is_compared(path: str, sign: str, number: float) -> dict[str, Any]:
    # Without $type, MongoDB would compare the members of a list.
    found = as_float(sign, number) if abs(number) >= _DECIMAL_LIMIT else (sign, number)
    if found is None:
        return _NEVER
    return {path: {_COMPARISONS[found[0]]: to_stored(found[1]), **_NOT_A_LIST}}


def _contains(wanted: Filter, path: str, decide: Decide) -> dict[str, Any]:
    part = fold(wanted.literal.text)
    has_value = {path: {"$nin": _empty(wanted)}}
    if not part:
        return has_value
    is_ascii = {path: {"$type": "string", "$not": re.compile(_NON_ASCII)}}
    is_open = {"$and": [has_value, {"$nor": [is_ascii]}]}
    found = [decide(wanted, is_open)]
    if part.isascii():
        contains = {path: {"$regex": re.escape(part), "$options": "i"}}
        found.append({"$and": [is_ascii, contains]})
    return {"$or": found}


def _equals(wanted: Filter, path: str, decide: Decide) -> list[dict[str, Any]]:
    """Return the conditions of which one has to be met."""
    literal = wanted.literal
    is_empty = {path: {"$in": _empty(wanted)}}
    if literal.kind == "nothing":
        return [is_empty]
    found: list[dict[str, Any]] = []
    if literal.text or wanted.field.document:
        found.append({path: {"$eq": literal.text, **_NOT_A_LIST}})
    if literal.kind == "null":
        found.append(is_empty)
    elif literal.kind == "boolean":
        found.append({path: {"$eq": literal.value, **_NOT_A_LIST}})
    elif literal.kind == "number":
        found.append(_is_compared(path, "=", literal.value))
    elif literal.kind == "document":
        kind = "array" if isinstance(literal.value, list) else "object"
        found.append(decide(wanted, {path: {"$type": kind}}))
    return found or [_NEVER]


def _empty(wanted: Filter) -> list[Any]:
    return [None] if wanted.field.document else [None, ""]


def is_one_of(field: Field, values: Sequence[Any]) -> dict[str, Any]:
    """Return the condition that a field has one of these values."""
    plain = [each for each in values if not isinstance(each, (list, dict))]
    found: list[dict[str, Any]] = [{field_path(field): {"$in": plain, **_NOT_A_LIST}}]
    if len(plain) < len(values):
        # The operator $in of queries would compare the members of a list.
        documents = [each for each in values if isinstance(each, (list, dict))]
        found.append({"$expr": {"$in": [f"${field_path(field)}", {"$literal": documents}]}})
    return {"$or": found}


def weights(query: Query) -> list[dict[str, Any]]:
    """Return the stages that give the weight of each group."""
    return [{"$group": {"_id": {"k": _key(query), "t": _type(query)}, "w": {"$sum": _WEIGHT}}}]


def aggregates(
    query: Query,
    *,
    keys: Sequence[Any] | None = None,
    others: Sequence[Any] | None = None,
    step: float | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Return the stages that give one document for each group, interval and value.

    :param keys: only these groups; default: all.
    :param others: all groups but these, as one group.
    :param step: seconds of an interval; default: the whole range is one interval.
    :param limit: the most documents.
    """
    stages: list[dict[str, Any]] = [{"$project": _project(query, step)}]
    if keys is not None:
        stages.append({"$match": {"k": {"$in": list(keys)}}})
    if others is not None:
        stages.append({"$match": {"k": {"$nin": list(others)}}})
        stages.append({"$set": {"k": None, "t": None}})
    stages.append(
        {
            "$group": {
                "_id": {"k": "$k", "t": "$t", "b": "$b", "x": "$x"},
                "n": {"$sum": 1},
                "w": {"$sum": "$w"},
                "e": {"$sum": "$e"},
            }
        }
    )
    return stages if limit is None else [*stages, {"$limit": limit}]


def _project(query: Query, step: float | None) -> dict[str, Any]:
    value = _number(query.measure)
    failed = {"$or": [{"$gt": ["$error", None]}, {"$gte": ["$status", 500]}]}
    interval: Any = {"$literal": 0}
    if step is not None:
        since = query.first_interval.timestamp() * 1000
        passed = {"$subtract": [{"$toLong": "$time"}, since]}
        interval = {"$floor": {"$divide": [passed, step * 1000]}}
    return {
        "_id": 0,
        "k": _key(query),
        "t": _type(query),
        "b": interval,
        "x": value,
        "w": _WEIGHT,
        "e": {"$cond": [failed, _WEIGHT, 0.0]},
    }


def _key(query: Query) -> Any:
    if query.by is None:
        return {"$literal": None}
    return {"$ifNull": [f"${field_path(query.by)}", None]}


def _type(query: Query) -> Any:
    # Without the type, 42 and 42.0 would be one group.
    return {"$literal": None} if query.by is None else {"$type": f"${field_path(query.by)}"}


def _number(field: Field) -> Any:
    path = f"${field_path(field)}"
    return {"$cond": [{"$in": [{"$type": path}, _NUMBER_TYPES]}, {"$toDouble": path}, None]}
