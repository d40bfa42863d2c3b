"""Redaction: decides by their names which values are secret."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache

from .scalar_conversion import MAX_NAME, key_text

#: The text that replaces a secret value.
REDACTED = "[REDACTED]"

# Users may choose the keys of dicts, so the number of remembered names needs a limit.
_MAX_REMEMBERED = 4096
# Characters. The value of a longer name is redacted unread.
_MAX_JUDGED = 4096
# Where another word begins: "apiKey", "HTTPKey", "api_key1".
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z])(?=[0-9])")
_SEPARATOR = re.compile(r"[-. ]")


class Redaction:
    """Decides whose values are redacted.

    :param patterns: globs for names; case does not matter.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._pattern = _compile(tuple(patterns))
        self._remembered: dict[str, bool] = {}

    def is_sensitive(self, name: str) -> bool:
        """Return whether the value with this name must not be stored."""
        if self._pattern is None:
            return False
        known = self._remembered.get(name)
        if known is None:
            known = self._matches(self._pattern, name)
            if len(self._remembered) < _MAX_REMEMBERED and len(name) <= MAX_NAME:
                self._remembered[name] = known
        return known

    def is_sensitive_key(self, key: object) -> bool:
        """Return whether the value of a key, which may have any type, must not be stored.

        The whole key decides, even if the record holds only its beginning.
        """
        kind = type(key)  # isinstance() would call the key's __class__
        if issubclass(kind, tuple):
            parts: tuple[object, ...] = tuple(tuple.__iter__(key))  # type: ignore[arg-type]
            return any(map(self._is_sensitive_text, parts))
        if issubclass(kind, Enum):
            name = object.__getattribute__(key, "_name_")
            value = object.__getattribute__(key, "_value_")
            return self._is_sensitive_text(name) or self._is_sensitive_text(value)
        return self._is_sensitive_text(key) or self.is_sensitive(key_text(key))

    def _is_sensitive_text(self, text: object) -> bool:
        kind = type(text)
        if issubclass(kind, str):
            return self.is_sensitive(str.__str__(text))
        if issubclass(kind, bytes):
            return self.is_sensitive(bytes.decode(text, "latin-1"))  # type: ignore[arg-type]
        return False

    @staticmethod
    def _matches(pattern: re.Pattern[str], name: str) -> bool:
        if len(name) > _MAX_JUDGED or pattern.match(name.lower()) is not None:
            return True
        words = _SEPARATOR.sub("_", _WORD_START.sub("_", name)).lower()
        return pattern.match(words) is not None


@lru_cache(maxsize=16)  # apps of one process have equal patterns, and a test suite has many apps
def _compile(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    joined = "|".join(fnmatch.translate(pattern.lower()) for pattern in patterns)
    return re.compile(joined) if joined else None
