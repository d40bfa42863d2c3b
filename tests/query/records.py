"""Records with values that are hard to query."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from typing import Any

from flask_chest import Record

#: All sample records are earlier.
END = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)

#: A variable name that each database quotes in a different way.
ODD_NAME = "a \"b' $.ü%"

_MIXED: tuple[Any, ...] = (
    *(1, "1", True, None, 1.5, [1], {"a": 1}, "=cmd()", "\u202e<b>", "x" * 300),
    *("Müller", "MÜLLER"),
)


#: Values that some database considers equal to each other.
SIMILAR_VALUES: tuple[Any, ...] = (
    *("bob", "Bob", "bob ", " bob", "b\u00f3b", "bo\u0301b", "ss", "\u00df", "", " "),
    *(42, "42", 42.0, "42.0", 1, 1.0, "1", True, "true", 0, 0.0, False, None, "null"),
    *(0.1 + 0.2, 0.3, 1763710752.123456, "1763710752.12346", 2**63 - 1, 2**63 - 2, "1" * 20),
)


def similar_records() -> list[Record]:
    """One record for each similar value, newest first, later than all sample records."""
    return [
        Record(
            id=f"9{number:031x}",
            time=END + timedelta(hours=1) - timedelta(seconds=number),
            request_id=f"alike-{value}",
            route=value if isinstance(value, str) else None,
            sample_rate=1 / 2 ** (number % 3),
            vars={"name": value},
        )
        for number, value in enumerate(SIMILAR_VALUES)
    ]


def sample_records(count: int = 600) -> list[Record]:
    """Records of ten hours, newest first.

    :param count: number of records.
    """
    chance = random.Random(1)
    return [_record(number, count, chance) for number in range(count)]


def _record(number: int, count: int, chance: random.Random) -> Record:
    time = END - timedelta(seconds=1 + number * 36_000 / count, microseconds=number)
    return Record(
        id=f"{int(time.timestamp() * 1000):012x}7{number:019x}",
        time=time.replace(microsecond=time.microsecond // 1000 * 1000),
        request_id=f"request-{number}",
        trace_id=f"{number // 2:032x}",
        method="GET" if number % 4 else "POST",
        route=("/orders/<int:order_id>", "/", None)[number % 3],
        endpoint=("order", "home", None)[number % 3],
        status=(200, 500, 404, None)[number % 4],
        duration_ms=None if number % 50 == 7 else chance.expovariate(1 / 50),
        error="LookupError" if number % 4 == 1 else None,
        sample_rate=(1.0, 0.5)[number % 2],
        vars={
            "user_id": number % 7,
            "mixed": _MIXED[number % len(_MIXED)],
            ODD_NAME: number % 3,
            "balance": -number / 8,
            "unique": f"value {number}",
        },
        tags={"version": ("1.0", "1.1")[number % 2]},
        disconnected=(None, True, False)[number % 3],
    )
