"""Reads the version object from ``version.json``."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from time import time_ns
from typing import Any

import orjson

from ..errors import ChestError

FILE_NAME = "version.json"

#: Bytes. A version object has four short entries, so a larger file is something else.
MAX_BYTES = 64 * 1024

# Nanoseconds. A younger file is not cached, because a second change within the same tick of the
# file system's clock would go unnoticed.
_MIN_CACHE_AGE = 2_000_000_000

_Stamp = tuple[int, int, int, int]


class VersionError(ChestError, ValueError):
    """``version.json`` exists, but is not a version object.

    .. versionadded:: 1.0
    """


def get_version(root: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the content of ``version.json``, or ``None`` if the file does not exist.

    :param root: the folder of the file.
    :raises VersionError: the file cannot be read, exceeds 64 KiB, or is not a JSON object.

    .. versionadded:: 1.0
    """
    return VersionFile(root).read()


class VersionFile:
    """A ``version.json`` that is read again only if it has changed.

    :param root: the folder of the file.

    .. versionadded:: 1.0
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.path = Path(root) / FILE_NAME
        self._seen: tuple[_Stamp, dict[str, Any]] | None = None

    def read(self) -> dict[str, Any] | None:
        """Return the content, or ``None`` if the file does not exist.

        :raises VersionError: the file cannot be read, exceeds 64 KiB, or is not a JSON object.
        """
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, RuntimeError, ValueError) as error:
            raise VersionError(_unreadable(error)) from error
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
        seen = self._seen
        if seen is not None and seen[0] == stamp:
            return seen[1]
        content = self._load(found)
        if time_ns() - found.st_mtime_ns > _MIN_CACHE_AGE:
            self._seen = (stamp, content)
        return content

    def _load(self, found: os.stat_result) -> dict[str, Any]:
        # Checked before opening, because opening a pipe would wait for a writer.
        if not stat.S_ISREG(found.st_mode):
            raise VersionError(f"{FILE_NAME} is not a regular file; write a JSON object to it")
        try:
            with self.path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise VersionError(_unreadable(error)) from error
        if len(raw) > MAX_BYTES:
            raise VersionError(
                f"{FILE_NAME} is larger than {MAX_BYTES} bytes; "
                "it should have source, version, commit and build only"
            )
        return _parse(raw)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(raw)
    except ValueError as error:
        raise VersionError(f"{FILE_NAME} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise VersionError(
            f"{FILE_NAME} has a JSON {_kind(content)}; it must have an object "
            "with source, version, commit and build"
        )
    return content


def _kind(content: object) -> str:
    if isinstance(content, list):
        return "array"
    if isinstance(content, str):
        return "string"
    return "null" if content is None else "number or boolean"


def _unreadable(error: Exception) -> str:
    # Without the path, because everybody can read the response.
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return f"{FILE_NAME} cannot be read: {reason}; see that the app's user may read it"
