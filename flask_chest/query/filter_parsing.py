"""Parses filters: ``status>=500``, ``user_id=42``, ``route~api``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import QueryError
from .fields import Field, parse_field

_OPERATOR = re.compile(r"!=|>=|<=|=|>|<|~")
_NO_NAME = re.compile(r"[=!<>~]")
_ORDERED = frozenset((">", ">=", "<", "<="))
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on records.

    :param field: the field that is compared.
    :param operator: ``=``, ``!=``, ``>``, ``>=``, ``<``, ``<=``, or ``~`` for "contains", which
        ignores case.
    :param value: the value to compare with. ``=`` with an empty value means "has no value". ``=``
        and ``!=`` compare text, so ``42`` matches both the number and the string.
    """

    field: Field
    operator: str
    value: str

    @property
    def is_ordered(self) -> bool:
        """Whether the operator compares numbers by size."""
        return self.operator in _ORDERED

    @property
    def number(self) -> float:
        """The value as a number.

        :raises QueryError: the value is not a number.
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

        :raises QueryError: the value is neither ``true`` nor ``false``.
        """
        if self.value not in _BOOLEANS:
            raise QueryError(f"{self}: expected true or false")
        return _BOOLEANS[self.value]

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.value}"


def parse_filter(text: str) -> Filter:
    """Parse one filter, e.g. ``status>=500``.

    :raises QueryError: the text is not a filter.
    """
    stripped = text.strip()
    # Two searches that never go back: a text of spaces must not cost more than its length.
    first = _NO_NAME.search(stripped)
    found = _OPERATOR.match(stripped, first.start()) if first else None
    if found is None or not found.start() or "\0" in text:
        raise QueryError(
            f"{text[:80]!r} is no filter; write name=value, with one of = != > >= < <= ~ (contains)"
        )
    name, value = stripped[: found.start()], stripped[found.end() :]
    parsed = Filter(parse_field(name), found[0], value.strip())
    if parsed.field == Field("", "time"):
        raise QueryError(f"{text[:80]!r}: for a range of time use 'since' and 'until'")
    if parsed.is_ordered or (parsed.field.is_number and parsed.value and parsed.operator != "~"):
        _ = parsed.number
    if parsed.field == Field("", "disconnected") and parsed.value:
        _ = parsed.boolean
    return parsed


def parse_filters(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Parse several filters; a record must fulfil all of them.

    :raises QueryError: one of the texts is not a filter.
    """
    return tuple(parse_filter(text) for text in texts)
