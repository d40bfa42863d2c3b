"""Redaction: decides by their names which values are secret."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

#: The text that replaces a secret value.
REDACTED = "[REDACTED]"

# Users may choose the keys of dicts, so the number of remembered names needs a limit.
_MAX_REMEMBERED = 4096


class Redaction:
    """Decides whose values are redacted.

    :param patterns: globs for names; case does not matter.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        joined = "|".join(fnmatch.translate(pattern.lower()) for pattern in patterns)
        self._pattern = re.compile(joined) if joined else None
        self._remembered: dict[str, bool] = {}

    def is_sensitive(self, name: str) -> bool:
        """Return whether the value with this name must not be stored."""
        if self._pattern is None:
            return False
        known = self._remembered.get(name)
        if known is None:
            known = self._pattern.match(name.lower()) is not None
            if len(self._remembered) < _MAX_REMEMBERED:
                self._remembered[name] = known
        return known
