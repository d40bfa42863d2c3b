"""``FileLock``: a lock between processes, which the kernel releases when its process dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from .file_ownership import open_or_create

# Seconds between two attempts to acquire a lock.
_RETRY_INTERVAL = 0.01

# Devices on which a second descriptor was seen to be locked out.
_proven_devices: set[int] = set()


class FileLock:
    """A lock between processes.

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
        :raises OSError: the file cannot be opened or locked; waiting would not help.
        """
        deadline = time.monotonic() + seconds
        while not self._try():
            if time.monotonic() >= deadline or not self.path.parent.is_dir():
                return False
            # Polling: flock() has no timeout, and would block gevent's whole event loop.
            time.sleep(_RETRY_INTERVAL)
        return True

    def try_acquire(self) -> bool:
        """Take the lock; ``False`` for whatever reason it cannot be taken."""
        with suppress(OSError):
            return self.acquire()
        return False

    def release(self) -> None:
        """Release the lock, if it is held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __del__(self) -> None:
        self.release()

    def _try(self) -> bool:
        try:
            descriptor = open_or_create(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _prove_exclusion(self.path, os.fstat(descriptor).st_dev)
            # Another process may have removed the file between open() and flock().
            same = self.path.stat().st_ino == os.fstat(descriptor).st_ino
        except (BlockingIOError, FileNotFoundError):
            same = False
        except OSError:
            os.close(descriptor)
            raise
        if not same:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True


def _prove_exclusion(path: Path, device: int) -> None:
    """Check that a lock which is held now locks out a second descriptor.

    On some network file systems ``flock`` succeeds always. Two processes would then deliver the
    same records, and remove the files of each other.

    :raises OSError: it does not.
    """
    if device in _proven_devices:
        return
    second = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _proven_devices.add(device)
        return
    finally:
        os.close(second)
    raise OSError(
        errno.ENOLCK,
        "locks (flock) have no effect on this file system; "
        "set CHEST_JOURNAL_DIR to a folder on a local file system",
        str(path.parent),
    )
