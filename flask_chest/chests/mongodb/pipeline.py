"""Conditions and aggregation stages for MongoDB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson

from ...query.fields import Field
from ...query.filters import Filter
from ...query.formatting import value_text
from ...query.percentiles import OFFSET, SCALE, TINY
from ...query.query import Query
from .documents import path_of, to_stored

_ORDER = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
_WEIGHT = {"$divide": [1.0, "$sample_rate"]}
_WHOLE = ["int", "long", "decimal"]
_NUMBERS = [*_WHOLE, "double"]
_LARGEST = 2**63


def whether(ranges: Iterable[tuple[datetime, datetime]]) -> dict[str, Any]:
    """That a record lies in one of these ranges."""
    listed = [{"time": {"$gte": begin, "$lt": end}} for begin, end in ranges]
    return listed[0] if len(listed) == 1 else {"$or": listed}


def condition(wanted: Filter) -> dict[str, Any]:
    """The condition of a filter."""
    path, sign, value = path_of(wanted.field), wanted.operator, wanted.value
    # Of a list MongoDB would look at the members.
    no_list = {"$not": {"$type": "array"}}
    if wanted.is_ordered:
        return {path: {_ORDER[sign]: wanted.number, **no_list}}
    if sign == "~":
        return {
            "$or": [
                {path: {"$regex": re.escape(value), "$options": "i", **no_list}},
                _reads(path, value),
            ]
        }
    if not value:
        empty: list[Any] = [None] if wanted.field.document else [None, ""]
        return {path: {"$nin" if sign == "!=" else "$in": empty}}
    meant = [{"$eq": wanted.number}] if wanted.field.is_number else _meant(value)
    same: list[dict[str, Any]] = [{path: {**each, **no_list}} for each in meant]
    if value[0] in "[{":
        same += _documents(path, value)
    return {"$nor" if sign == "!=" else "$or": same}


def top(query: Query, limit: int) -> list[dict[str, Any]]:
    """The groups with the highest counts."""
    return [
        {"$group": {"_id": {"k": _key(query), "t": _type(query)}, "w": {"$sum": _WEIGHT}}},
        {"$sort": {"w": -1, "_id": 1}},
        {"$limit": limit},
    ]


def figures(
    query: Query,
    *,
    keys: Sequence[Any] | None = None,
    step: float | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """One document for each group, interval and bucket.

    :param keys: these groups only.
    :param step: seconds of an interval.
    """
    stages: list[dict[str, Any]] = [{"$project": _facts(query, step)}]
    if keys is not None:
        stages.append({"$match": {"k": {"$in": list(keys)}}})
    stages.append(
        {
            "$group": {
                "_id": {"k": "$k", "t": "$t", "b": "$b", "code": "$code"},
                "n": {"$sum": 1},
                "w": {"$sum": "$w"},
                "e": {"$sum": "$e"},
                "s": {"$sum": {"$multiply": ["$w", "$x"]}},
                "low": {"$min": "$x"},
                "high": {"$max": "$x"},
            }
        }
    )
    return stages if limit is None else [*stages, {"$limit": limit}]


def _facts(query: Query, step: float | None) -> dict[str, Any]:
    value = _number(query.measure)
    failed = {"$or": [{"$gt": ["$error", None]}, {"$gte": ["$status", 500]}]}
    interval: Any = {"$literal": 0}
    if step is not None:
        since = query.since.timestamp() * 1000
        passed = {"$subtract": [{"$toLong": "$time"}, since]}
        interval = {"$floor": {"$divide": [passed, step * 1000]}}
    return {
        "_id": 0,
        "k": _key(query),
        "t": _type(query),
        "b": interval,
        "x": value,
        "code": _code(value),
        "w": _WEIGHT,
        "e": {"$cond": [failed, _WEIGHT, 0.0]},
    }


def _key(query: Query) -> Any:
    if query.by is None:
        return {"$literal": None}
    return {"$ifNull": [f"${path_of(query.by)}", None]}


def _type(query: Query) -> Any:
    # Else 42 and 42.0 would be one group.
    return {"$literal": None} if query.by is None else {"$type": f"${path_of(query.by)}"}


def _number(field: Field) -> Any:
    path = f"${path_of(field)}"
    return {"$cond": [{"$in": [{"$type": path}, _NUMBERS]}, {"$toDouble": path}, None]}


def _code(value: Any) -> Any:
    size = {"$ln": {"$max": [{"$abs": value}, TINY]}}
    bucket = {"$floor": {"$add": [{"$multiply": [size, SCALE]}, OFFSET]}}
    negative = {"$multiply": [bucket, -1]}
    small = {"$cond": [{"$lte": [value, -TINY]}, negative, 0]}
    return {
        "$cond": [
            {"$eq": [value, None]},
            None,
            {"$cond": [{"$gte": [value, TINY]}, bucket, small]},
        ]
    }


def _reads(path: str, part: str) -> dict[str, Any]:
    """Whether a number, or true or false, has this in its text."""
    text = {"$convert": {"input": f"${path}", "to": "string", "onError": "", "onNull": ""}}
    found = {"$regexMatch": {"input": text, "regex": re.escape(part), "options": "i"}}
    return {path: {"$type": [*_NUMBERS, "bool"]}, "$expr": found}


def _meant(value: str) -> list[dict[str, Any]]:
    """The values that read so: 42 finds the number and the word, 042 the word only.

    MongoDB takes 42 and 42.0 for one value, unless it is told the type.
    """
    meant: list[dict[str, Any]] = [{"$eq": value}]
    if value in {"true", "false"}:
        meant.append({"$eq": value == "true"})
    with suppress(ValueError):
        whole = int(value)
        if str(whole) == value and -_LARGEST <= whole < 2 * _LARGEST:
            meant.append({"$eq": to_stored(whole), "$type": _WHOLE})
    with suppress(ValueError):
        number = float(value)
        if value_text(number) == value:
            meant.append({"$eq": number, "$type": "double"})
    return meant


def _documents(path: str, value: str) -> list[dict[str, Any]]:
    """Whether there is the list or the object that a text spells."""
    try:
        document = orjson.loads(value)
    except ValueError:
        return []
    return [{"$expr": {"$eq": [f"${path}", {"$literal": to_stored(document)}]}}]
