"""Values, facts and a plan become one encoded record. Pure: no Flask, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .config import DEFAULT_REDACT
from .encoding import FIELDS, dumps
from .rules import Plan
from .typing import Plain
from .values import (
    CUT,
    INT_MAX,
    INT_MIN,
    REDACTED,
    Normalizer,
    NotPlainError,
    Redaction,
    clean_name,
    clean_text,
    placeholder,
)

#: Every field of a record, with the value of one that nothing is known of.
BLANK: Mapping[str, Any] = {
    **dict.fromkeys(FIELDS),
    "kind": "request",
    "sample_rate": 1.0,
}

_KEEP, _NAMED, _HIDE, _SKIP = range(1, 5)
# As many names as are remembered for a plan; a view that makes up names must not fill the memory.
_MAX_VERDICTS = 4096
# Bytes of the mark that says how many variables were left out.
_MARK = 24


class Capture:
    """Makes records for one app.

    :param redact: patterns that the app set itself, which hold for every variable; ``None`` for the
        default ones, which guard what nobody named.
    :param max_value_bytes: UTF-8 bytes of one value.
    :param max_record_bytes: bytes of one encoded record.
    """

    def __init__(
        self, redact: tuple[str, ...] | None, max_value_bytes: int, max_record_bytes: int
    ) -> None:
        self._redaction = Redaction(DEFAULT_REDACT if redact is None else redact)
        self._spares_named = redact is None
        self._normal = Normalizer(self._redaction, max_value_bytes)
        self._max_record_bytes = max_record_bytes
        #: Names that only who names them gets, e.g. of what the record has a field for.
        self.implied: set[str] = set()

    def encode(self, facts: dict[str, Any], values: Mapping[str, object], plan: Plan) -> bytes:
        """One encoded record.

        :param facts: every field of a record but ``vars``; gets ``vars`` here.
        :param values: what is on ``g``.
        """
        facts["vars"] = self.collect(values, plan)
        try:
            line = dumps(facts)
        except TypeError:  # a lone surrogate
            line = b""
        # Few records hold a backslash at all, and one byte is found much faster than six.
        clean = b"\\" not in line or b"\\u0000" not in line
        if clean and 0 < len(line) <= self._max_record_bytes:
            return line
        return self._encode_with_care(facts)

    def collect(self, values: Mapping[str, Any], plan: Plan) -> dict[str, Plain]:
        """The tracked variables, plain."""
        found: dict[str, Any] = {}
        verdicts = plan.verdicts
        short = self._normal.short
        if plan.names is None:
            items = list(values.items())
        else:
            items = [(name, values[name]) for name in plan.names if name in values]
        for name, value in items:
            verdict = verdicts.get(name) or self._judge(name, plan)
            kind = type(value)
            if verdict > _NAMED:
                if verdict == _HIDE:
                    found[name] = REDACTED
            elif (
                (kind is str and len(value) <= short)
                or (kind is int and INT_MIN <= value <= INT_MAX)
                or kind is float
                or kind is bool
                or value is None
            ):
                found[name] = value
            else:
                self._add_plain(found, name, value, verdict)
        return found

    def _judge(self, name: Any, plan: Plan) -> int:
        if not isinstance(name, str):
            return _SKIP
        named = name in plan.named
        if not named and (name.startswith("_") or name in self.implied):
            verdict = _SKIP
        elif self._redaction.hides(name) and not (named and self._spares_named):
            verdict = _HIDE
        else:
            verdict = _NAMED if named else _KEEP
        # Plain text only: names of a class of their own, a StrEnum's say, may look like another.
        if type(name) is str and len(plan.verdicts) < _MAX_VERDICTS:
            plan.verdicts[name] = verdict
        return verdict

    def _add_plain(self, found: dict[str, Any], name: str, value: object, verdict: int) -> None:
        try:
            found[name] = self._normal.plain(value)
        except NotPlainError:
            if verdict == _NAMED:
                found[name] = placeholder(value)

    def _encode_with_care(self, facts: dict[str, Any]) -> bytes:
        for name, value in facts.items():
            if type(value) is str:
                facts[name] = clean_text(value)[: self._normal.max_bytes]
        # Only texts were passed on as they are; all others are clean.
        found: dict[str, Plain] = {
            clean_name(name): clean_text(value) if type(value) is str else value
            for name, value in facts["vars"].items()
        }
        envelope = len(dumps({**facts, "vars": {}}))
        facts["vars"] = self._fitting(found, self._max_record_bytes - envelope - _MARK)
        return dumps(facts)

    def _fitting(self, found: dict[str, Plain], left: int) -> dict[str, Plain]:
        fitting: dict[str, Plain] = {}
        for name, value in found.items():
            size = len(dumps(name)) + len(dumps(value)) + 2
            if size <= left:
                fitting[name] = value
                left -= size
        if len(fitting) < len(found):
            fitting[CUT] = len(found) - len(fitting)
        return fitting
