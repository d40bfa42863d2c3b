"""W3C Trace Context: reads the trace id of a ``traceparent`` header."""

from __future__ import annotations

import re

# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
# Later versions may append fields; version 00 has none.
_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
_NO_TRACE = "0" * 32


def parse_traceparent(traceparent: str) -> str | None:
    """Return the trace id of a ``traceparent`` header.

    :param traceparent: the value of the header.
    :returns: 32 hexadecimal digits; ``None`` if the header is invalid.
    """
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match and match[1] != _NO_TRACE else None
