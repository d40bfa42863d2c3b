"""Checks a submitted text against ``CHEST_DASHBOARD_TOKEN``."""

from __future__ import annotations

import hashlib
import hmac


class TokenCheck:
    """Compares texts with the token of the dashboard.

    Only a digest of the token is kept, and all comparisons take the same time.

    :param token: ``CHEST_DASHBOARD_TOKEN``.
    """

    def __init__(self, token: str) -> None:
        self._digest = _digest(token)

    def matches(self, text: str) -> bool:
        """Return whether a text is the token."""
        return hmac.compare_digest(_digest(text), self._digest)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
