"""Conditions on records, as people write them: ``status>=500``, ``user_id=42``, ``route~api``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import QueryError
from .fields import Field, parse_field

_FILTER = re.compile(r"([^=!<>~]+?)\s*(!=|>=|<=|=|>|<|~)(.*)", re.DOTALL)
_ORDER = frozenset((">", ">=", "<", "<="))
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition.

    :param field: what it looks at.
    :param operator: ``=``, ``!=``, ``>``, ``>=``, ``<``, ``<=``, or ``~`` for "contains",
        in capitals or not.
    :param value: what it is compared with. With ``=`` and ``!=`` an empty one means "has none";
        values are compared by their text, so that ``42`` finds the number and the word.
    """

    field: Field
    operator: str
    value: str

    @property
    def is_ordered(self) -> bool:
        """Whether it compares numbers by their size."""
        return self.operator in _ORDER

    @property
    def number(self) -> float:
        """The value as a number.

        :raises QueryError: it is none.
        """
        try:
            number = float(self.value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise QueryError(f"{self}: expected a number after {self.operator!r}")
        return number

    @property
    def boolean(self) -> bool:
        """The value as ``true`` or ``false``.

        :raises QueryError: it is neither.
        """
        if self.value not in _TRUTH:
            raise QueryError(f"{self}: expected true or false")
        return _TRUTH[self.value]

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.value}"


def parse_filter(text: str) -> Filter:
    """The condition that a text says.

    :raises QueryError: it says none.
    """
    found = _FILTER.fullmatch(text.strip())
    if found is None or "\0" in text:
        raise QueryError(
            f"{text[:80]!r} is no filter; write name=value, with one of = != > >= < <= ~ (contains)"
        )
    parsed = Filter(parse_field(found[1]), found[2], found[3].strip())
    if parsed.field == Field("", "time"):
        raise QueryError(f"{text[:80]!r}: for a range of time use 'since' and 'until'")
    if parsed.is_ordered or (parsed.field.is_number and parsed.value and parsed.operator != "~"):
        _ = parsed.number
    if parsed.field == Field("", "disconnected") and parsed.value:
        _ = parsed.boolean
    return parsed


def parse_filters(texts: Iterable[str]) -> tuple[Filter, ...]:
    """The conditions that texts say; all of them must hold.

    :raises QueryError: one says none.
    """
    return tuple(parse_filter(text) for text in texts)
