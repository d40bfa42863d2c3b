"""Parses filters: ``status>=500``, ``user_id=42``, ``plan="5"``, ``route~api``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from ..errors import QueryError
from .fields import Field, parse_field
from .values import in_quotes, read_number, spelling, unquote

#: The most filters of one question.
MAX_FILTERS = 100
_OPERATOR = re.compile(r"!=|>=|<=|=|>|<|~")
_NO_NAME = re.compile(r"[=!<>~]")
_QUOTED_NAME = re.compile(r'\s*(?:vars\.|tags\.)?"(?:[^"]|"")*"\s*(?=[=!<>~])')
_ORDERED = frozenset((">", ">=", "<", "<="))
_WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Literal:
    """The value of a filter, as ``docs/meaning.rst`` reads it.

    :param kind: ``"nothing"``, ``"text"``, ``"number"``, ``"boolean"``, ``"null"`` or
        ``"document"`` (a list or an object).
    :param text: the text that matches, without double quotes.
    :param value: the number, the boolean, the list or the object that matches, too.
    :param spelling: its spelling.
    """

    kind: str
    text: str
    value: Any = None
    spelling: str | None = None


@lru_cache(maxsize=256)
def read_literal(value: str) -> Literal:
    """Read the value of a filter."""
    if not value:
        return Literal("nothing", "")
    quoted = unquote(value)
    if quoted is not None:
        return Literal("text", quoted)
    if value in _WORDS:
        return Literal("null" if value == "null" else "boolean", value, _WORDS[value], value)
    number = read_number(value)
    if number is not None:
        return Literal("number", value, number, spelling(number))
    if value[0] in "[{":
        # Records have no lists that are nested deeper than Python's stack.
        with suppress(ValueError, RecursionError):
            document = orjson.loads(value)
            return Literal("document", value, document, spelling(document))
    return Literal("text", value)


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on records.

    :param field: the field that is compared.
    :param operator: ``=``, ``!=``, ``>``, ``>=``, ``<``, ``<=``, or ``~`` for "contains", which
        ignores case.
    :param value: the value to compare with, as a user writes it: see ``docs/meaning.rst``.
    """

    field: Field
    operator: str
    value: str

    @property
    def is_ordered(self) -> bool:
        """Whether the operator compares numbers by size."""
        return self.operator in _ORDERED

    @property
    def literal(self) -> Literal:
        """The value as it is compared."""
        return read_literal(self.value)

    @property
    def number(self) -> int | float:
        """The value as a number.

        :raises QueryError: the value is not a number.
        """
        number = self.literal.value
        if self.literal.kind != "number":
            raise QueryError(f"{self}: expected a number after {self.operator!r}, e.g. 5 or 0.25")
        assert isinstance(number, (int, float))
        return number

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.value}"


def group_filter(field: Field, key: str | None) -> Filter:
    """The filter that finds exactly the records of one group.

    :param key: the spelling of the group's values; ``None`` for records without a value.
    """
    if key is None:
        return Filter(field, "=", "")
    literal = read_literal(key)
    is_plain = literal.text == key == key.strip() and literal.kind not in ("nothing", "null")
    # Only a text can be spelt 5.0 or [1, 2].
    is_plain = is_plain and literal.spelling in (None, key)
    return Filter(field, "=", key if is_plain else in_quotes(key))


def parse_filter(text: str) -> Filter:
    """Parse one filter, e.g. ``status>=500``.

    :raises QueryError: the text is not a filter.
    """
    stripped = text.strip()
    quoted = _QUOTED_NAME.match(stripped)
    # Searches that never go back: a text of spaces must not cost more than its length.
    first = quoted.end() if quoted else getattr(_NO_NAME.search(stripped), "start", int)()
    found = _OPERATOR.match(stripped, first)
    if found is None or not found.start() or "\0" in text:
        raise QueryError(
            f"{text[:80]!r} is no filter; write name=value, with one of = != > >= < <= ~ (contains)"
        )
    name, value = stripped[: found.start()], stripped[found.end() :]
    parsed = Filter(parse_field(name), found[0], value.strip())
    _check(parsed, text)
    return parsed


def _check(parsed: Filter, text: str) -> None:
    if parsed.field == Field("", "time"):
        raise QueryError(f"{text[:80]!r}: for a range of time use 'since' and 'until'")
    if parsed.is_ordered:
        _ = parsed.number
        if not parsed.field.document and not parsed.field.is_number:
            raise QueryError(f"{parsed}: {parsed.field} has no numbers to compare")
    if parsed.operator == "~" or parsed.literal.kind in ("nothing", "null"):
        return
    if parsed.field.is_number:
        _ = parsed.number
    if parsed.field.is_boolean and parsed.literal.kind != "boolean":
        raise QueryError(f"{parsed}: expected true or false")


def parse_filters(texts: Iterable[str]) -> tuple[Filter, ...]:
    """Parse several filters; a record must fulfil all of them.

    :raises QueryError: one of the texts is not a filter, or there are too many.
    """
    filters = tuple(parse_filter(text) for text in texts)
    if len(filters) > MAX_FILTERS:
        raise QueryError(f"{len(filters)} filters are too many; expected at most {MAX_FILTERS}")
    return filters
