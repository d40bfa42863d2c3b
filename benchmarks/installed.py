"""Which of the rivals are there: what is missing is left out, and told."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

#: Of dresses in ``benchmarks.apps`` that share a process with ours, what they import.
_MODULES = {
    "prometheus": "prometheus_flask_exporter",
    "dockerflow": "dockerflow",
    "opentelemetry": "opentelemetry.instrumentation.flask",
}


def installed(names: Iterable[str]) -> tuple[str, ...]:
    """Those of these dresses that can be put on here."""
    return tuple(name for name in names if name not in _MODULES or _is_there(_MODULES[name]))


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would lie in is not there either
        return False
