"""W3C Trace Context: reads and writes the headers ``traceparent`` and ``tracestate``."""

from __future__ import annotations

import re
from dataclasses import dataclass

# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
# Later versions may append fields; version 00 has none.
_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?"
)
_NO_TRACE = "0" * 32
# Characters; the standard asks for at least 512.
_MAX_STATE = 512
_SAMPLED = "01"


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The place of a request or job in a trace.

    :param trace_id: 32 hexadecimal digits.
    :param span_id: 16 hexadecimal digits: this request or job.
    :param parent_id: 16 hexadecimal digits: what has sent it; ``None`` if the trace begins here.
    :param flags: two hexadecimal digits.
    :param state: the value of ``tracestate``; empty without one.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    flags: str = _SAMPLED
    state: str = ""

    def headers(self) -> dict[str, str]:
        """Return the headers of a call that this request or job makes."""
        # A version that is not known here may have further fields, so version 00 is sent.
        made = {"traceparent": f"00-{self.trace_id}-{self.span_id}-{self.flags}"}
        return {**made, "tracestate": self.state} if self.state else made


def parse_traceparent(traceparent: str) -> str | None:
    """Return the trace id of a ``traceparent`` header.

    :param traceparent: the value of the header.
    :returns: 32 hexadecimal digits; ``None`` if the header is invalid.
    """
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match and match[1] != _NO_TRACE else None


def continue_trace(traceparent: object, tracestate: object, span_id: str) -> TraceContext | None:
    """Return the context of what a caller with these headers has sent.

    :param span_id: the id of the new span, 16 hexadecimal digits.
    :returns: ``None`` if ``traceparent`` is invalid. An invalid ``tracestate`` is left out.
    """
    match = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if match is None or match[1] == _NO_TRACE:
        return None
    state = tracestate.strip() if isinstance(tracestate, str) else ""
    if len(state) > _MAX_STATE or not (state.isascii() and state.isprintable()):
        state = ""
    return TraceContext(match[1], span_id, match[2], match[3], state)
