"""A small file that all processes of an app share: failed logins, ended sessions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from .._throttle import LogThrottle
from ..delivery.durable_files import read_json, replace_json
from ..delivery.file_lock import FileLock
from ..delivery.file_ownership import check_root, create_folder, create_root

T = TypeVar("T")
Content = dict[str, Any]

# Another process holds the lock for milliseconds, unless it is stopped.
_LOCK_TIMEOUT = 1.0
_log = LogThrottle(logging.getLogger("flask_chest"))


class StateFile:
    """A JSON file in a folder that only the app's users can write to.

    If the file cannot be used, each process keeps the content in its memory, and logs a warning.

    :param path: the file. Its folder is created on the first change, with mode 0700.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._in_memory: Content = {}

    def read(self) -> Content:
        """Return the content; empty if nothing has been stored."""
        return _merged(self._read_file() or {}, self._in_memory)

    def is_damaged(self) -> bool:
        """Return whether the file exists but cannot be read."""
        return self._read_file() is None and self._path.exists()

    def update(self, change: Callable[[Content], T]) -> T:
        """Change the content while no other process can, and return the function's result.

        :param change: changes the dict that it receives.
        """
        try:
            return self._update_file(change)
        except OSError as error:
            _log.warning(
                "write",
                "%s cannot be written (%s): each process of the app now counts failed logins and "
                "ends sessions of the dashboard on its own; let only this user write there",
                self._path,
                error.strerror or error,
            )
            content = self.read()
            result = change(content)
            self._in_memory = content
            return result

    def _update_file(self, change: Callable[[Content], T]) -> T:
        folder = self._path.parent
        create_root(folder.parent)
        with suppress(FileExistsError):
            create_folder(folder)
        self._check_folders()
        lock = FileLock(self._path.with_suffix(".lock"))
        try:
            if not lock.acquire(_LOCK_TIMEOUT):
                raise OSError(None, "another process holds its lock")
            before = self._read_file() or {}
            content = _merged(before, self._in_memory)
            result = change(content)
            if content != before:
                replace_json(self._path, content)
            self._in_memory = {}
            return result
        finally:
            lock.release()

    def _read_file(self) -> Content | None:
        try:
            self._check_folders()
            content: Content | None = read_json(self._path)
        except OSError:
            return None
        return content

    def _check_folders(self) -> None:
        # The folder is in the journal; either one may have been made by another user.
        for folder in (self._path.parent.parent, self._path.parent):
            check_root(folder)


def _merged(one: Content, other: Content) -> Content:
    """Merge members of dicts; of two numbers, take the greater one."""
    merged = {**other, **one}
    for name in one.keys() & other.keys():
        first, second = one[name], other[name]
        merged[name] = {**first, **second} if isinstance(first, dict) else max(first, second)
    return merged
