"""Functions of a connection to SQLite, for what its SQL lacks."""

from __future__ import annotations

import math
import sqlite3
from functools import lru_cache

from ....query.values import document_spelling, fold, number_spelling

# Distinct texts that are folded once; a column of them has many equal ones.
_MAX_CACHED = 4096


def add_functions(connection: sqlite3.Connection) -> None:
    """Add the functions of ``dialects/sqlite.py``, and a natural logarithm for percentiles."""
    for name, function in (
        ("chest_number", number_spelling),
        ("chest_document", document_spelling),
        ("chest_fold", _fold),
    ):
        connection.create_function(name, 1, function, deterministic=True)
    try:
        connection.execute("SELECT ln(1)")
    except sqlite3.OperationalError:
        # Built without https://sqlite.org/lang_mathfunc.html
        connection.create_function("ln", 1, _ln, deterministic=True)


@lru_cache(maxsize=_MAX_CACHED)
def _fold_text(text: str) -> str:
    return fold(text)


def _fold(text: str | None) -> str | None:
    return None if text is None else _fold_text(text)


def _ln(value: float | None) -> float | None:
    return math.log(value) if value is not None and value > 0 else None
