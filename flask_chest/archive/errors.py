"""The errors of the archive."""

from __future__ import annotations

from ..errors import ReadError


class ArchiveError(ReadError):
    """The archive cannot be read or written now. The message names the place and a remedy."""


class ConflictError(ArchiveError):
    """Another process changed the archive in between; the caller looks at it again."""


class DamagedPartError(ArchiveError):
    """A file of the archive is missing or damaged.

    :param name: the name of the part.
    :param message: the failure, with the path.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
