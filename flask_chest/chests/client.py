"""Whether a driver is installed, found out without importing it."""

from __future__ import annotations

from importlib.util import find_spec

from ..errors import ConfigError


def require_driver(module: str, extra: str) -> None:
    """See that a driver is there, so that its lack is told at start-up and not at the first write.

    :param module: the driver's module, the top-level one where it has that to itself.
    :param extra: the extra of this package that installs it.
    :raises ConfigError: it is not installed, with the command that installs it.
    """
    if not _is_there(module):
        raise ConfigError(
            f"the package that provides {module!r} is not installed: "
            f'pip install "flask-chest[{extra}]"'
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # not even the package that it would lie in
