"""Selects the variables on ``g`` that a record gets: tracked, not private, and redacted by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..config.default_redaction import DEFAULT_REDACT
from ..record.redaction import REDACTED, Redaction
from ..record.scalar_conversion import INT_MAX, INT_MIN, MAX_NAME, NotPlainError, placeholder
from ..record.value_normalizer import Normalizer
from ..typing import Plain
from .encoding_cache import EncodingCache

#: Further facts of a request: none.
NO_FACTS: Mapping[str, Any] = {}

_KEEP, _KEEP_NAMED, _REDACT, _SKIP = range(1, 5)
# Limits of each route's cache: a view that makes up names must not fill the memory.
_MAX_NAMES = 4096
_MAX_KEY_SETS = 256
# Characters of all names in one set.
_MAX_KEY_SET = 4096


class TrackedVariables:
    """Selects and normalizes the variables of one app's records.

    :param redact: the app's own patterns, which hold for every variable. ``None`` uses the default
        patterns, which do not hold for variables that the app names.
    :param max_value_bytes: UTF-8 bytes of one value.
    """

    def __init__(self, redact: tuple[str, ...] | None, max_value_bytes: int) -> None:
        #: Decides by their names which values are secret.
        self.redaction = Redaction(DEFAULT_REDACT if redact is None else redact)
        self._spares_named = redact is None
        self._normalizer = Normalizer(self.redaction, max_value_bytes)
        #: Characters of a text that is never too long.
        self.max_text = self._normalizer.max_text
        #: Variables that are recorded only if they are named, since the record has them as a field.
        self.implied: set[str] = set()

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
        max_text = self.max_text
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


def _is_worth_remembering(names: Iterable[str], encoding: EncodingCache) -> bool:
    if len(encoding.plain_key_sets) >= _MAX_KEY_SETS:
        return False
    return sum(map(len, names)) <= _MAX_KEY_SET
