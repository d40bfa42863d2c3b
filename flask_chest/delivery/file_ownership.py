"""Creates files and folders with the owner and the sharing of the folder that they are in.

Root may run ``flask chest`` in the journal of an app that runs as another user. As SQLite does for
its ``-wal`` file, what root creates belongs to the owner of the folder, so the app can use it.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_SHARED_FILE = 0o660
_SHARED_FOLDER = 0o2770
_SHARED_BITS = stat.S_ISGID | stat.S_IWGRP


def is_shared(mode: int) -> bool:
    """Return whether a folder is shared by a group on purpose: group-writable with setgid."""
    return mode & _SHARED_BITS == _SHARED_BITS


def random_name(path: Path) -> Path:
    """Return an unpredictable path beside a file, for its new content."""
    return path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")


def create_file(path: Path, flags: int = os.O_RDWR) -> int:
    """Create a file and return its descriptor.

    :param path: the file, which must not exist, not even as a symbolic link.
    :param flags: further flags for ``os.open()``.
    :raises FileExistsError: it exists.
    :raises OSError: it cannot be created.
    """
    descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _PRIVATE_FILE)
    try:
        _take_after(descriptor, path.parent.stat(), _SHARED_FILE)
    except OSError:
        os.close(descriptor)
        with suppress(OSError):
            path.unlink()
        raise
    return descriptor


def open_or_create(path: Path, flags: int = os.O_RDWR) -> int:
    """Open a file, which is created if it is missing; return its descriptor.

    :param path: the file; a symbolic link is refused.
    :param flags: further flags for ``os.open()``.
    :raises OSError: it cannot be opened or created.
    """
    with suppress(FileNotFoundError):
        return os.open(path, flags | os.O_NOFOLLOW)
    try:
        return create_file(path, flags)
    except FileExistsError:
        # Another process has created it meanwhile.
        return os.open(path, flags | os.O_NOFOLLOW)


def create_folder(path: Path) -> None:
    """Create a folder within the journal.

    :raises OSError: it cannot be created, or it exists.
    """
    path.mkdir(mode=_PRIVATE_FOLDER)
    _hand_to_owner(path, shareable=True)


def create_root(root: Path) -> None:
    """Create the journal's folder, and the folders above it, unless they exist.

    :raises OSError: a folder cannot be created.
    """
    if root.is_dir():
        return
    missing = [root, *(parent for parent in root.parents if not parent.is_dir())]
    for folder in reversed(missing):
        # Only the journal is private: others may need what else is in the instance folder.
        with suppress(FileExistsError):
            folder.mkdir(mode=_PRIVATE_FOLDER if folder == root else 0o777)
            _hand_to_owner(folder, shareable=False)


def check_root(root: Path) -> None:
    """Check that only the app's user, or a group that shares the folder, can write to the journal.

    :param root: the journal's folder; a missing one is safe.
    :raises PermissionError: another user could read records, forge them or replace files.
    """
    with suppress(FileNotFoundError):
        # The owner of a symbolic link can point it elsewhere.
        problem = _problem_with(root.stat(), root.lstat().st_uid, root)
        if problem:
            raise PermissionError(
                f"the journal {root} {problem}; set CHEST_JOURNAL_DIR to a folder that does not "
                "exist yet, for example one inside this folder, so that Flask-Chest creates it for "
                f"its user only; or make it safe: chown {os.geteuid()} and chmod 700"
            )


def _problem_with(status: os.stat_result, link_owner: int, root: Path) -> str | None:
    if status.st_mode & stat.S_IWOTH:
        return "can be written to by every user of this machine"
    if status.st_mode & stat.S_IWGRP and not is_shared(status.st_mode):
        return "can be written to by its group, but is not marked as shared (chmod 2770)"
    trusted = {0, os.geteuid()}
    if is_shared(status.st_mode) or (os.geteuid() == 0 and not _anyone_may_create(root.parent)):
        trusted.add(status.st_uid)
    if status.st_uid not in trusted:
        return f"belongs to another user (uid {status.st_uid})"
    if link_owner not in {*trusted, status.st_uid}:
        return f"is a symbolic link of another user (uid {link_owner})"
    return None


def _anyone_may_create(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IWOTH)


def _hand_to_owner(folder: Path, *, shareable: bool) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        parent = folder.parent.stat()
        _take_after(descriptor, parent, _SHARED_FOLDER if shareable else None)
    finally:
        os.close(descriptor)


def _take_after(descriptor: int, parent: os.stat_result, shared_mode: int | None) -> None:
    if os.geteuid() == 0 and parent.st_uid != 0:
        # In a user namespace the owner may have no number that root could pass on.
        with suppress(OSError):
            os.fchown(descriptor, parent.st_uid, parent.st_gid)
    if shared_mode is not None and is_shared(parent.st_mode):
        os.fchmod(descriptor, shared_mode)  # not subject to the umask
