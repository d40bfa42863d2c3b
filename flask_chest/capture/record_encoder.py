"""Encodes fields, variables and a plan as one line of JSON. Uses no Flask, clock or I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..config.default_redaction import DEFAULT_REDACT
from ..record.json_line import FIELDS, dumps
from ..record.redaction import REDACTED, Redaction
from ..record.scalar_conversion import (
    INT_MAX,
    INT_MIN,
    MAX_NAME,
    NotPlainError,
    clean_name,
    placeholder,
)
from ..record.text_cleaning import clean_shallow, clean_text
from ..record.truncation import truncate_variables
from ..record.value_normalizer import Normalizer
from ..typing import Plain
from .encoding_cache import EncodingCache, FastPathArgs

#: Every field of a record with its default.
DEFAULT_FIELDS: Mapping[str, Any] = {
    **dict.fromkeys(FIELDS),
    "kind": "request",
    "sample_rate": 1.0,
}

#: Fields that have their default in most requests.
RARE_FIELDS: Mapping[str, Any] = {
    name: DEFAULT_FIELDS[name]
    for name in ("trace_id", "error", "sample_rate", "bytes_sent", "disconnected")
}

#: Further facts of a request: none.
NO_FACTS: Mapping[str, Any] = {}

#: The suffix of a line if no encoded fields follow.
END_OF_LINE = b"}"

_KEEP, _KEEP_NAMED, _REDACT, _SKIP = range(1, 5)
# Limits of each route's cache: a view that makes up names must not fill the memory.
_MAX_NAMES = 4096
_MAX_KEY_SETS = 256
# Characters of all names in one set.
_MAX_KEY_SET = 4096
# As a number: ``in`` tries bytes as a number first, and fails, before it searches for them.
_BACKSLASH = 92


class RecordEncoder:
    """Encodes the records of one app.

    :param redact: the app's own patterns, which hold for every variable. ``None`` uses the default
        patterns, which do not hold for variables that the app names.
    :param max_value_bytes: UTF-8 bytes of one value.
    :param max_record_bytes: bytes of one encoded record.
    """

    def __init__(
        self, redact: tuple[str, ...] | None, max_value_bytes: int, max_record_bytes: int
    ) -> None:
        #: Decides by their names which values are secret.
        self.redaction = Redaction(DEFAULT_REDACT if redact is None else redact)
        self._spares_named = redact is None
        self._normalizer = Normalizer(self.redaction, max_value_bytes)
        self._max_record_bytes = max_record_bytes
        #: Variables that are recorded only if they are named, since the record has them as a field.
        self.implied: set[str] = set()

    def encode(
        self,
        fields: dict[str, Any],
        values: Mapping[str, object],
        encoding: EncodingCache,
        suffix: bytes = END_OF_LINE,
        facts: Mapping[str, Any] = NO_FACTS,
    ) -> bytes:
        """Return one encoded record.

        :param fields: the fields that are not in ``suffix``. This adds the variables as ``vars``.
        :param values: what is on ``g``.
        :param encoding: the plan of the route, and its cache.
        :param suffix: the other fields, from :meth:`encode_suffix`.
        :param facts: see :meth:`collect`.
        """
        fields["vars"] = self.collect(values, encoding, facts)
        try:
            line = dumps(fields)[:-1] + suffix
        except TypeError:  # a lone surrogate
            line = b""
        # Few records contain a backslash, and one byte is found much faster than six.
        has_nul = _BACKSLASH in line and b"\\u0000" in line
        if not has_nul and 0 < len(line) <= self._max_record_bytes:
            return line
        return self._encode_with_care(fields, suffix)

    def encode_suffix(self, fields: Mapping[str, Any]) -> bytes:
        """Encode fields once that are the same in many records."""
        clean = {name: self._clean(value) for name, value in fields.items()}
        return b"," + dumps(clean)[1:]

    def fast_path_args(self, encoding: EncodingCache) -> FastPathArgs | None:
        """Return the arguments of :meth:`RequestState.fast_line`, or ``None`` without a fast path.

        A sampled route has none: its records differ by their sample rate.
        """
        plan = encoding.plan
        if plan.sample < 1:
            return None
        return (
            plan.names,
            encoding.plain_key_sets,
            self._normalizer.max_text,
            encoding.static_suffix,
            self._max_record_bytes,
        )

    def collect(
        self,
        values: Mapping[str, Any],
        encoding: EncodingCache,
        facts: Mapping[str, Any] = NO_FACTS,
    ) -> dict[str, Plain]:
        """Return the tracked variables as plain values.

        :param values: what is on ``g``.
        :param facts: further variables, which are tracked on every route. A tracked variable of
            ``g`` replaces the fact of the same name.
        """
        names = encoding.plan.names
        # A copy, made in one step, since another thread may put more on g in the meantime.
        if names is None:
            found: dict[str, Any] = dict(values)
        else:
            try:
                found = {name: values[name] for name in names if name in values}
            except KeyError:  # another thread has removed it in between
                copy = dict(values)
                found = {name: copy[name] for name in names if name in copy}
        if facts:
            found = {**facts, **found}
        # Most views set the same names each time, to values that are plain already.
        if tuple(found) in encoding.plain_key_sets and self._are_plain(found.values()):
            return found
        return self._normalize_all(found, encoding)

    def _are_plain(self, values: Iterable[object]) -> bool:
        max_text = self._normalizer.max_text
        for value in values:
            kind = type(value)
            if kind is str:
                if len(value) > max_text:  # type: ignore[arg-type]  # mypy does not narrow by type()
                    return False
            elif kind is int:
                if not INT_MIN <= value <= INT_MAX:  # type: ignore[operator]
                    return False
            elif kind is not float and kind is not bool and value is not None:
                return False
        return True

    def _normalize_all(self, values: dict[str, Any], encoding: EncodingCache) -> dict[str, Plain]:
        found: dict[str, Any] = {}
        decisions = encoding.name_decisions
        all_stored = True
        for name, value in values.items():
            decision = decisions.get(name) or self._decide(name, encoding)
            if decision <= _KEEP_NAMED:
                self._add_plain(found, name, value, decision)
            elif decision == _REDACT:
                found[name] = REDACTED
            all_stored = all_stored and decision <= _KEEP_NAMED and type(name) is str
        if all_stored and _is_worth_remembering(values, encoding):
            encoding.plain_key_sets.add(tuple(values))
        return found

    def _decide(self, name: Any, encoding: EncodingCache) -> int:
        if not isinstance(name, str):
            return _SKIP
        named = name in encoding.plan.named
        if not named and (name.startswith("_") or name in self.implied):
            decision = _SKIP
        elif self.redaction.is_sensitive(name) and not (named and self._spares_named):
            decision = _REDACT
        else:
            decision = _KEEP_NAMED if named else _KEEP
        # Exact strings only: a subclass, such as a StrEnum, may compare equal to another name.
        is_short = type(name) is str and len(name) <= MAX_NAME
        if is_short and len(encoding.name_decisions) < _MAX_NAMES:
            encoding.name_decisions[name] = decision
        return decision

    def _add_plain(self, found: dict[str, Any], name: str, value: object, decision: int) -> None:
        if self._are_plain((value,)):
            found[name] = value
            return
        try:
            found[name] = self._normalizer.normalize(value)
        except NotPlainError:
            if decision == _KEEP_NAMED:
                found[name] = placeholder(value)

    def _clean(self, value: Any) -> Any:
        return clean_text(value)[: self._normalizer.max_bytes] if type(value) is str else value

    def _encode_with_care(self, fields: dict[str, Any], suffix: bytes) -> bytes:
        fields = {name: self._clean(value) for name, value in fields.items()}
        # Texts, and dicts of texts, were not checked one by one.
        found: dict[str, Plain] = {
            clean_name(name): clean_shallow(value) for name, value in fields["vars"].items()
        }
        envelope = len(dumps({**fields, "vars": {}})) + len(suffix)
        fields["vars"] = truncate_variables(found, self._max_record_bytes - envelope)
        return dumps(fields)[:-1] + suffix


def _is_worth_remembering(names: Iterable[str], encoding: EncodingCache) -> bool:
    if len(encoding.plain_key_sets) >= _MAX_KEY_SETS:
        return False
    return sum(map(len, names)) <= _MAX_KEY_SET


def error_name(error: BaseException) -> str:
    """Return an exception's class as a record stores it, never the exception's text."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
