"""Files that survive: replaced as a whole, checked when read, locked by one process."""

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
# Seconds between two looks whether a lock has come free.
_LOOK_AGAIN = 0.01


def read_json(path: Path) -> Any:
    """The content of a file made by :func:`replace_json`; ``None`` where it is missing or damaged.

    A flipped bit may leave JSON that is as good as any other, so a checksum is asked for.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.pop(_CHECKSUM, None) != _checksum(content):
        return None
    return content


def replace_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file so that after any crash it holds the old or the new content, whole.

    :raises OSError: it could not be written; the old content is still there.
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
    """Write a JSON file over what is there, which takes no room where there was one already.

    A crash in between leaves it damaged, and :func:`read_json` says so.

    :raises OSError: it could not be written.
    """
    whole = orjson.dumps({**content, _CHECKSUM: _checksum(content)})
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        # Not cut first, since a full disk would not give the room back.
        write_whole(descriptor, whole.ljust(os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, content: bytes) -> None:
    """Write all bytes.

    :raises OSError: not all could be taken; a full disk takes a part first, without a word.
    """
    if os.write(descriptor, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync_file(path: Path) -> None:
    """Bring a file's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Bring the names of a folder's files to the disk: a file's own sync need not.

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
    """A lock that the kernel gives back when its process dies, however it dies.

    ``flock`` rather than ``lockf``: the latter is let go when any descriptor of the file is closed
    in the process (https://man7.org/linux/man-pages/man2/fcntl_locking.2.html).

    :param path: the file; made where it is missing, in a folder that is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self, seconds: float = 0.0) -> bool:
        """Take the lock; ``False`` where another holds it, or the folder is gone.

        :param seconds: how long to wait for the other one, which may be stopped: never for ever.
        """
        deadline = time.monotonic() + seconds
        while not self._try():
            if time.monotonic() >= deadline or not self.path.parent.is_dir():
                return False
            time.sleep(_LOOK_AGAIN)  # flock() has no timeout, and would stop all of gevent's loop
        return True

    def release(self) -> None:
        """Give the lock back; harmless where it is not held."""
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
            # Another one may have removed the file between our open and our lock.
            same = os.stat(self.path).st_ino == os.fstat(descriptor).st_ino  # noqa: PTH116
        except OSError:
            same = False
        if not same:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True
