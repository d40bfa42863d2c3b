"""The files of a SQLite database: their identity, their mode, and who reads them."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

#: A file is the same if it is on the same device and has the same inode.
Identity = tuple[int, int]

#: SQLite's limit for paths: MAX_PATHNAME, less 8 bytes for "-journal".
MAX_PATH_BYTES = 504
# Only the app's user may read what the app knows about people.
_MODE = 0o600
_LOCK_SECONDS = 1.0
_MISSING = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# The bytes of -shm that readers lock: https://sqlite.org/walformat.html#wal_locks
_FIRST_READER_LOCK, _LAST_READER_LOCK = 123, 127


class PathTooLongError(OSError):
    """SQLite cannot open a path of this length."""


def identify(path: Path) -> Identity | None:
    """The identity of a file; ``None`` if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def companion(path: Path, suffix: str) -> Path:
    """A file that SQLite keeps beside the database.

    :param suffix: ``"-wal"`` or ``"-shm"``.
    """
    # SQLite resolves symbolic links first.
    return Path(os.path.realpath(path) + suffix)


def check_path(path: Path) -> None:
    """Check whether SQLite could open a path.

    :raises OSError: it could not, whatever the rights of this process are.
    """
    length = len(os.fsencode(os.path.realpath(path)))
    if length > MAX_PATH_BYTES:
        raise PathTooLongError(f"the path has {length} bytes")
    if path.is_dir():
        raise IsADirectoryError("this is a folder")


def nearest_existing(path: Path) -> Path:
    """Return the path itself if it exists, otherwise the nearest folder above it that does.

    :raises OSError: the path cannot exist, or nobody let this process look.
    """
    for candidate in (path, *path.parents):
        try:
            # Path.exists() of Python 3.14 and newer returns False for a name that is too long.
            candidate.stat()
        except OSError as error:
            if error.errno not in _MISSING:
                raise
        else:
            return candidate
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def create_file(path: Path) -> None:
    """Create an empty database file that only its owner can read, unless it exists.

    SQLite gives -wal and -shm the mode of the database.

    :raises OSError: the file cannot be created.
    """
    real = Path(os.path.realpath(path))
    if real.exists():
        return
    # They belong to a database that was deleted or moved. SQLite would use -shm for the new one.
    for suffix in ("-wal", "-shm"):
        companion(path, suffix).unlink(missing_ok=True)
    _make_private(real)


def _make_private(path: Path) -> None:
    # Not open() and close(): closing any descriptor of a database releases the locks that another
    # thread of this process holds: https://sqlite.org/howtocorrupt.html
    with suppress(FileExistsError):
        try:
            os.mknod(path, _MODE | stat.S_IFREG)
        except (AttributeError, PermissionError):  # on Windows; on macOS, unless it is root
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            # Root may run a command before the app, which runs as another user, has its file.
            folder = path.parent.stat()
            os.chown(path, folder.st_uid, folder.st_gid)


@contextmanager
def opening(folder: Path) -> Iterator[None]:
    """Let one process at a time open or replace a database of a folder.

    On a file system without locks, and after a second, nothing is locked.
    """
    with ExitStack() as stack:
        with suppress(OSError, ImportError):
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            _try_to_lock(descriptor)
        yield


def _try_to_lock(descriptor: int) -> None:
    import fcntl  # Windows has none

    deadline = time.monotonic() + _LOCK_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.005)
        else:
            return


def has_name(identity: Identity) -> bool:
    """Whether a file that this process has open still has a name in some folder."""
    with suppress(OSError):
        for path in Path("/dev/fd").iterdir():
            with suppress(OSError, ValueError):
                found = os.fstat(int(path.name))
                if (found.st_dev, found.st_ino) == identity:
                    return found.st_nlink > 0
    return False


def wal_readers(path: Path) -> str:
    """The processes that read the write-ahead log of a database, as text for a log.

    Linux lists the locks of all processes; elsewhere the readers are not known.
    """
    identity = identify(companion(path, "-shm"))
    try:
        locks = Path("/proc/locks").read_text()
    except OSError:
        locks = ""
    if identity is None:
        return "a reader"
    pids = sorted({pid for line in locks.splitlines() if (pid := _reader(line, identity[1]))})
    return ", ".join(map(_describe_process, pids)) or "a reader"


def _reader(line: str, inode: int) -> int:
    """The process of a line of ``/proc/locks`` if it locks a part that readers lock; else 0.

    A line: ``1: POSIX ADVISORY READ 4242 08:01:1234 124 124``.
    """
    parts = line.split()
    if len(parts) != 8 or parts[3] != "READ" or parts[5].rpartition(":")[2] != str(inode):
        return 0
    first, last = int(parts[6]), parts[7]
    is_reader = first >= _FIRST_READER_LOCK and last.isdigit() and int(last) <= _LAST_READER_LOCK
    return max(int(parts[4]), 0) if is_reader else 0


def _describe_process(pid: int) -> str:
    if pid == os.getpid():
        return f"this process ({pid}), e.g. an export or the dashboard"
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        name = "?"
    return f"process {pid} ({name})"
