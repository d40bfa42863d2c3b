"""Crash-safe files: atomic replacement, checksums, fsync, and locks between processes."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

_CHECKSUM = "checksum"
# Seconds between two attempts to acquire a lock.
_RETRY_INTERVAL = 0.01


def read_json(path: Path) -> Any:
    """Return the content of a file that :func:`replace_json` wrote; ``None`` if missing or damaged.

    The file has a checksum, since JSON with a flipped bit may still be valid JSON.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.pop(_CHECKSUM, None) != _checksum(content):
        return None
    return content


def replace_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file atomically: after a crash it has the old or the new content.

    :raises OSError: the file could not be written; the old content is still there.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        write_json(new, content)
        sync_file(new)
        new.rename(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Overwrite a JSON file in place, which needs no free space if the file exists.

    A crash meanwhile damages the file, which :func:`read_json` detects.

    :raises OSError: the file could not be written.
    """
    encoded = orjson.dumps({**content, _CHECKSUM: _checksum(content)})
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Padded instead of truncated: on a full disk the freed space might be taken by others.
        write_whole(descriptor, encoded.ljust(os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, content: bytes) -> None:
    """Write all bytes.

    :raises OSError: not all bytes were written. A disk that runs full accepts a part first, without
        an error.
    """
    if os.write(descriptor, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync_file(path: Path) -> None:
    """Fsync a file's content."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Fsync a folder's entries: the fsync of a file does not cover its name.

    https://man7.org/linux/man-pages/man2/fsync.2.html
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checksum(content: dict[str, Any]) -> str:
    return f"{crc32(orjson.dumps(content)):08x}"


class FileLock:
    """A lock between processes, which the kernel releases when its process dies.

    It uses ``flock`` and not ``lockf``: a process loses the latter as soon as it closes any
    descriptor of the file (https://man7.org/linux/man-pages/man2/fcntl_locking.2.html).

    :param path: the lock file, created if missing; its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, seconds: float = 0.0) -> bool:
        """Take the lock; ``False`` if another process holds it, or if the folder is gone.

        :param seconds: how long to wait. The holder may be a stopped process, so there is no
            unlimited wait.
        """
        deadline = time.monotonic() + seconds
        while not self._try():
            if time.monotonic() >= deadline or not self.path.parent.is_dir():
                return False
            # Polling: flock() has no timeout, and would block gevent's whole event loop.
            time.sleep(_RETRY_INTERVAL)
        return True

    def release(self) -> None:
        """Release the lock, if it is held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()

    def _try(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have removed the file between open() and flock().
            same = self.path.stat().st_ino == os.fstat(descriptor).st_ino
        except OSError:
            same = False
        if not same:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True
