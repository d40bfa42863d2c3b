"""Values, facts and a plan become one encoded record. Pure: no Flask, no clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .._speedups import speed
from ..config.plan import Plan, ShortCut
from ..config.settings import DEFAULT_REDACT
from ..record.encoding import FIELDS, dumps
from ..record.normalizer import CUT, Normalizer
from ..record.redaction import REDACTED, Redaction
from ..record.scalars import (
    INT_MAX,
    INT_MIN,
    NotPlainError,
    clean_name,
    clean_shallow,
    clean_text,
    placeholder,
)
from ..typing import Plain

#: Every field of a record, with the value of one that nothing is known of.
BLANK: Mapping[str, Any] = {
    **dict.fromkeys(FIELDS),
    "kind": "request",
    "sample_rate": 1.0,
}

#: Fields of which most requests have nothing to say.
SELDOM: Mapping[str, Any] = {
    name: BLANK[name] for name in ("trace_id", "error", "sample_rate", "bytes_sent", "disconnected")
}

#: What follows facts that are all of a record.
NO_REST = b"}"

_KEEP, _NAMED, _HIDE, _SKIP = range(1, 5)
# As many names as are remembered for a plan; a view that makes up names must not fill the memory.
_MAX_VERDICTS = 4096
# As many sets of names.
_MAX_KEPT_WHOLE = 256
# Bytes of the mark that says how many variables were left out.
_MARK = 24
# By its number: bytes are first tried as one, and fail, before they are looked for.
_BACKSLASH = 92


class RecordEncoder:
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

    def encode(
        self,
        facts: dict[str, Any],
        values: Mapping[str, object],
        plan: Plan,
        rest: bytes = NO_REST,
    ) -> bytes:
        """One encoded record.

        :param facts: the fields of a record that ``rest`` has not; gets ``vars`` here.
        :param values: what is on ``g``.
        :param rest: the other fields, from :meth:`encode_rest`.
        """
        facts["vars"] = self.collect(values, plan)
        try:
            line = dumps(facts)[:-1] + rest
        except TypeError:  # a lone surrogate
            line = b""
        # Few records hold a backslash at all, and one byte is found much faster than six.
        clean = _BACKSLASH not in line or b"\\u0000" not in line
        if clean and 0 < len(line) <= self._max_record_bytes:
            return line
        return self._encode_with_care(facts, rest)

    def encode_rest(self, facts: Mapping[str, Any]) -> bytes:
        """Fields that are the same in many records, encoded once for all of them."""
        clean = {name: self._clean(value) for name, value in facts.items()}
        return b"," + dumps(clean)[1:]

    def short_cut(self, plan: Plan) -> ShortCut | None:
        """What :meth:`RequestStart.line` is to be called with; ``None`` where it is of no use."""
        if speed is None or plan.sample < 1:
            return None
        return plan.names, plan.kept_whole, self._normal.short, plan.rest, self._max_record_bytes

    def collect(self, values: Mapping[str, Any], plan: Plan) -> dict[str, Plain]:
        """The tracked variables, plain."""
        # A copy, made in one step, since another thread may put more on g meanwhile.
        if plan.names is None:
            found: dict[str, Any] = dict(values)
        else:
            try:
                found = {name: values[name] for name in plan.names if name in values}
            except KeyError:  # taken away by another thread since we looked
                there = dict(values)
                found = {name: there[name] for name in plan.names if name in there}
        # Most often a view sets the same names each time, to values that are plain already.
        if tuple(found) in plan.kept_whole and self._are_plain(found.values()):
            return found
        return self._sift(found, plan)

    def _are_plain(self, values: Iterable[object]) -> bool:
        short = self._normal.short
        for value in values:
            kind = type(value)
            if kind is str:
                if len(value) > short:  # type: ignore[arg-type]  # mypy does not take type() for it
                    return False
            elif kind is int:
                if not INT_MIN <= value <= INT_MAX:  # type: ignore[operator]
                    return False
            elif kind is not float and kind is not bool and value is not None:
                return False
        return True

    def _sift(self, values: dict[str, Any], plan: Plan) -> dict[str, Plain]:
        found: dict[str, Any] = {}
        verdicts = plan.verdicts
        kept_whole = True
        for name, value in values.items():
            verdict = verdicts.get(name) or self._judge(name, plan)
            if verdict <= _NAMED:
                self._add_plain(found, name, value, verdict)
            elif verdict == _HIDE:
                found[name] = REDACTED
            kept_whole = kept_whole and verdict <= _NAMED and type(name) is str
        if kept_whole and len(plan.kept_whole) < _MAX_KEPT_WHOLE:
            plan.kept_whole.add(tuple(values))
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
        if self._are_plain((value,)):
            found[name] = value
            return
        try:
            found[name] = self._normal.plain(value)
        except NotPlainError:
            if verdict == _NAMED:
                found[name] = placeholder(value)

    def _clean(self, value: Any) -> Any:
        return clean_text(value)[: self._normal.max_bytes] if type(value) is str else value

    def _encode_with_care(self, facts: dict[str, Any], rest: bytes) -> bytes:
        facts = {name: self._clean(value) for name, value in facts.items()}
        # Texts, and dicts of them, were passed on as they are.
        found: dict[str, Plain] = {
            clean_name(name): clean_shallow(value) for name, value in facts["vars"].items()
        }
        envelope = len(dumps({**facts, "vars": {}})) + len(rest)
        facts["vars"] = self._fitting(found, self._max_record_bytes - envelope - _MARK)
        return dumps(facts)[:-1] + rest

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


def error_name(error: BaseException) -> str:
    """An exception as a record tells of it: its class, never its text."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
