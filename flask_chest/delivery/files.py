"""Files that survive: replaced as a whole, locked by one process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import orjson


def read_json(path: Path) -> Any:
    """The content of a JSON file; ``None`` where it is missing or damaged."""
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def replace_json(path: Path, content: Any) -> None:
    """Replace a JSON file so that after any crash it holds the old or the new content, whole."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, orjson.dumps(content))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.rename(path)


class FileLock:
    """A lock that the kernel gives back when its process dies, however it dies.

    ``flock`` rather than ``lockf``: the latter is let go when any descriptor of the file is closed
    in the process (https://man7.org/linux/man-pages/man2/fcntl_locking.2.html).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, *, wait: bool = False) -> bool:
        """Take the lock; ``False`` where another holds it, or the folder is gone.

        :param wait: wait for the other one.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another one may have removed the file between our open and our lock.
            same = os.stat(self.path).st_ino == os.fstat(descriptor).st_ino  # noqa: PTH116
        except OSError:
            same = False
        if not same:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()
