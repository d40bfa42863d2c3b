"""Conditions and aggregation stages for MongoDB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson

from ...query.fields import Field
from ...query.filter_parsing import Filter
from ...query.formatting import value_text
from ...query.query import Query
from .documents import field_path, to_stored

_COMPARISONS = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
_WEIGHT = {"$divide": [1.0, "$sample_rate"]}
_INT_TYPES = ["int", "long", "decimal"]
_NUMBER_TYPES = [*_INT_TYPES, "double"]
_INT_LIMIT = 2**63


def in_ranges(ranges: Iterable[tuple[datetime, datetime]]) -> dict[str, Any]:
    """Return the condition that a record's time lies in one of the ranges."""
    listed = [{"time": {"$gte": begin, "$lt": end}} for begin, end in ranges]
    return listed[0] if len(listed) == 1 else {"$or": listed}


def condition(wanted: Filter) -> dict[str, Any]:
    """Return the condition for a filter."""
    path, sign, value = field_path(wanted.field), wanted.operator, wanted.value
    # Without it, MongoDB would compare the members of a list.
    not_a_list = {"$not": {"$type": "array"}}
    if wanted.is_ordered:
        return {path: {_COMPARISONS[sign]: wanted.number, **not_a_list}}
    if sign == "~":
        return {
            "$or": [
                {path: {"$regex": re.escape(value), "$options": "i", **not_a_list}},
                _text_contains(path, value),
            ]
        }
    if not value:
        empty: list[Any] = [None] if wanted.field.document else [None, ""]
        return {path: {"$nin" if sign == "!=" else "$in": empty}}
    equals = [{"$eq": wanted.number}] if wanted.field.is_number else _equal_values(value)
    same: list[dict[str, Any]] = [{path: {**each, **not_a_list}} for each in equals]
    if value[0] in "[{":
        same += _equal_documents(path, value)
    return {"$nor" if sign == "!=" else "$or": same}


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


def _text_contains(path: str, part: str) -> dict[str, Any]:
    """Return the condition that the text of a number or a boolean contains a part."""
    text = {"$convert": {"input": f"${path}", "to": "string", "onError": "", "onNull": ""}}
    found = {"$regexMatch": {"input": text, "regex": re.escape(part), "options": "i"}}
    return {path: {"$type": [*_NUMBER_TYPES, "bool"]}, "$expr": found}


def _equal_values(value: str) -> list[dict[str, Any]]:
    """Return conditions for the values with this text: 42 finds a number and a string, 042 only
    a string.

    MongoDB treats 42 and 42.0 as equal unless the condition names the type.
    """
    equals: list[dict[str, Any]] = [{"$eq": value}]
    if value in {"true", "false"}:
        equals.append({"$eq": value == "true"})
    with suppress(ValueError):
        whole = int(value)
        if str(whole) == value and -_INT_LIMIT <= whole < 2 * _INT_LIMIT:
            equals.append({"$eq": to_stored(whole), "$type": _INT_TYPES})
    with suppress(ValueError):
        number = float(value)
        if value_text(number) == value:
            equals.append({"$eq": number, "$type": "double"})
    return equals


def _equal_documents(path: str, value: str) -> list[dict[str, Any]]:
    """Return the condition for the list or the object that a JSON text stands for."""
    try:
        document = orjson.loads(value)
    except ValueError:
        return []
    return [{"$expr": {"$eq": [f"${path}", {"$literal": to_stored(document)}]}}]
