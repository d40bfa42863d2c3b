"""Conditions and aggregation stages for MongoDB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from .digest import OFFSET, SCALE, TINY
from .fields import Field
from .filters import Filter
from .mongo_documents import path_of
from .query import Query

_ORDER = {">": "$gt", ">=": "$gte", "<": "$lt", "<=": "$lte"}
_WEIGHT = {"$divide": [1.0, "$sample_rate"]}
_NUMBERS = ["int", "long", "double", "decimal"]


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
        return {path: {"$regex": re.escape(value), "$options": "i", **no_list}}
    if not value:
        empty: list[Any] = [None] if wanted.field.place else [None, ""]
        return {path: {"$nin" if sign == "!=" else "$in": empty}}
    meant = [wanted.number] if wanted.field.is_number else _meant(value)
    same = {path: {"$in": meant, **no_list}}
    return {"$nor": [same]} if sign == "!=" else same


def top(query: Query, limit: int) -> list[dict[str, Any]]:
    """The groups with the highest counts."""
    return [
        {"$group": {"_id": _key(query), "w": {"$sum": _WEIGHT}}},
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
                "_id": {"k": "$k", "b": "$b", "code": "$code"},
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


def _meant(value: str) -> list[Any]:
    """The values that read so: 42 finds the number and the word, 042 the word only."""
    meant: list[Any] = [value]
    if value in {"true", "false"}:
        meant.append(value == "true")
    for kind in (int, float):
        with suppress(ValueError):
            number = kind(value)
            if str(number) == value:
                meant.append(number)
    return meant
