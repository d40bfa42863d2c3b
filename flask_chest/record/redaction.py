"""Which names are those of secrets."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

#: What is stored in a secret's place.
REDACTED = "[REDACTED]"

# Names come from code, but keys may come from users: what is remembered must not grow with them.
_MAX_REMEMBERED = 4096


class Redaction:
    """Says which names are redacted.

    :param patterns: globs; case does not matter.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        joined = "|".join(fnmatch.translate(pattern.lower()) for pattern in patterns)
        self._pattern = re.compile(joined) if joined else None
        self._remembered: dict[str, bool] = {}

    def is_sensitive(self, name: str) -> bool:
        """Whether the value of this name must not be stored."""
        if self._pattern is None:
            return False
        known = self._remembered.get(name)
        if known is None:
            known = self._pattern.match(name.lower()) is not None
            if len(self._remembered) < _MAX_REMEMBERED:
                self._remembered[name] = known
        return known
