"""One line records every request: whatever the views put on ``flask.g``, kept."""

from __future__ import annotations

from ._version import __version__

__all__ = ["__version__"]
