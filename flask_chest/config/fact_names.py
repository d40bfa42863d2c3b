"""The names of the further facts that an app can switch on with ``CHEST_FACTS``."""

from __future__ import annotations

from typing import Any

from ..errors import suggest_name
from .value_types import names

#: The further facts. ``docs/capture.rst`` describes them in this order.
FACTS = (
    "user",
    "view_args",
    "query",
    "path",
    "thread",
    "cpu_ms",
    "queue_ms",
    "request_bytes",
    "response_bytes",
)


def facts(value: Any) -> tuple[str, ...]:
    """Validate a list of facts, or the text ``"all"``.

    :raises ValueError: the value is something else.
    """
    if value == "all":
        return FACTS
    if isinstance(value, str):
        raise ValueError(f"expected a list of facts, or 'all'; {_advice(value)}")
    listed = names(value)
    for name in listed:
        if name not in FACTS:
            raise ValueError(f"there is no fact {name!r}; {_advice(name)}")
    return tuple(name for name in FACTS if name in listed)


def _advice(name: str) -> str:
    return f"write [{name!r}]" if name in FACTS else suggest_name(name, FACTS, "known facts")
