"""Finds the alternatives that are installed; a benchmark reports the missing ones."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

#: Variants of ``benchmarks.apps`` that can share a process with Flask-Chest -> imported module.
_MODULES = {
    "prometheus": "prometheus_flask_exporter",
    "dockerflow": "dockerflow",
    "opentelemetry": "opentelemetry.instrumentation.flask",
}


def installed(names: Iterable[str]) -> tuple[str, ...]:
    """Return the variants whose packages are installed."""
    return tuple(name for name in names if name not in _MODULES or _is_there(_MODULES[name]))


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around the module is not installed either
        return False
