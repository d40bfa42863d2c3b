"""Checks at start-up that the driver of a store is installed."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import ConfigError


def require_driver(module: str, extra: str) -> None:
    """Check that a driver is installed, without importing it.

    Chests call it while the app is configured, so that a missing driver is reported at start-up and
    not at the first write.

    :param module: the driver's module, e.g. ``"pymongo"``; of a namespace package the full path,
        e.g. ``"opentelemetry.proto"``.
    :param extra: the extra of this package that installs the driver.
    :raises ConfigError: the driver is not installed; the message has the command that installs it.
    """
    if not _is_installed(module):
        raise ConfigError(
            f"the package that provides {module!r} is not installed: "
            f'pip install "flask-chest[{extra}]"'
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # the package around the module is not installed either
