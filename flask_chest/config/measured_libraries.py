"""The names of what an app can let its requests measure with ``CHEST_MEASURE``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from ..errors import suggest_name
from .value_types import names

#: What can be measured, and the library that it needs.
MEASURES = {
    "sqlalchemy": "sqlalchemy",
    "requests": "urllib3",
    "httpx": "httpx",
    "redis": "redis",
    "jinja": "jinja2",
}


def measures(value: Any) -> tuple[str, ...]:
    """Validate a list of what to measure.

    :raises ValueError: the value is something else, or a library is not installed.
    """
    if isinstance(value, str):
        raise ValueError(f"expected a list; {_advice(value)}")
    listed = names(value)
    for name in listed:
        if name not in MEASURES:
            raise ValueError(f"{name!r} cannot be measured; {_advice(name)}")
        if find_spec(MEASURES[name]) is None:
            raise ValueError(f"{name!r} needs a library: pip install {MEASURES[name]}")
    return tuple(name for name in MEASURES if name in listed)


def _advice(name: str) -> str:
    return f"write [{name!r}]" if name in MEASURES else suggest_name(name, MEASURES, "known names")
