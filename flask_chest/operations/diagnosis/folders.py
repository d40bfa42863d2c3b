"""Examines the folders that must be writable, lasting and local: the journal's, and a store's."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from ...chests.sql.sqlite.database_file import nearest_existing
from .finding import Finding, note
from .mounts import Mount, mount_of

_PACKAGE_FOLDERS = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder to examine.

    :param subject: what it is for.
    :param path: the folder, which need not exist.
    :param setting: the setting that moves it, as a line to write; ``{folder}`` is the new folder.
    :param app_name: the app's name, for the folder that the remedy names.
    :param max_bytes: the space that its files may take.
    """

    subject: str
    path: Path
    setting: str
    app_name: str = "app"
    max_bytes: int = 0

    def move_to(self, folder: str = "") -> str:
        """Return the line that moves it to another folder."""
        return self.setting.format(folder=folder or f"/var/lib/{self.app_name}")


def examine_folder(folder: Folder, mount: Mount | None = None) -> Iterator[Finding]:
    """Find what is wrong with a folder. Nothing is created.

    :param mount: the folder's file system; by default it is looked up.
    """
    yield from _examine_encoding(folder)
    try:
        existing = nearest_existing(folder.path)
    except OSError as error:
        yield Finding(folder.subject, f"{folder.path} cannot be examined: {error}")
        return
    mount = mount or mount_of(existing)
    yield from _examine_mount(folder, mount)
    yield from _examine_place(folder)
    if mount is None or not mount.is_read_only:
        yield from _examine_rights(folder, existing)
    yield from _examine_space(folder, existing)
    if existing == folder.path:
        yield from _examine_locks(folder)
        yield from _examine_owners(folder)


def _examine_encoding(folder: Folder) -> Iterator[Finding]:
    try:
        str(folder.path).encode("utf-8")
    except UnicodeEncodeError:
        yield Finding(folder.subject, f"{folder.path!a} is not UTF-8", folder.move_to())


def _examine_mount(folder: Folder, mount: Mount | None) -> Iterator[Finding]:
    if mount is None:
        yield note(folder.subject, "the type of its file system is unknown on this system")
    elif mount.is_read_only:
        yield Finding(
            folder.subject,
            f"{folder.path} is on a read-only file system ({mount.kind} at {mount.point})",
            folder.move_to(),
        )
    elif mount.is_remote:
        yield Finding(
            folder.subject,
            f"{folder.path} is on a network file system ({mount.kind} at {mount.point}), where "
            "locks and writes are unreliable",
            folder.move_to(),
        )
    elif mount.is_fuse:
        yield note(
            folder.subject,
            f"{folder.path} is on a FUSE file system ({mount.kind} at {mount.point}): writes and "
            "locks are as good as the program behind it",
            f"{folder.move_to()}, if that program stores the files on another machine",
        )
    elif mount.is_memory:
        yield Finding(
            folder.subject,
            f"{folder.path} is in memory ({mount.kind} at {mount.point}): it is empty after a "
            "restart of the machine or of the container",
            folder.move_to(),
        )
    elif mount.is_image:
        yield Finding(
            folder.subject,
            f"{folder.path} is in the container, not on a volume: it is removed with the container",
            f"mount a volume, and write {folder.move_to('/data')}",
        )


def _examine_place(folder: Folder) -> Iterator[Finding]:
    packages = next((each for each in _PACKAGE_FOLDERS if each in folder.path.parts), None)
    if packages is not None:
        yield Finding(
            folder.subject,
            f"{folder.path} is inside {packages}: an upgrade of the app may delete it",
            folder.move_to(),
        )
    elif sys.prefix != sys.base_prefix and folder.path.is_relative_to(sys.prefix):
        yield Finding(
            folder.subject,
            f"{folder.path} is inside the virtual environment: who rebuilds that deletes it",
            folder.move_to(),
        )


def _examine_rights(folder: Folder, existing: Path) -> Iterator[Finding]:
    if not existing.is_dir():
        yield Finding(folder.subject, f"{existing} is not a folder", folder.move_to())
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield Finding(
            folder.subject,
            f"{existing} is not writable for the user {_user(os.geteuid())}",
            f"chown {_user(os.geteuid())} {quote(str(existing))}, or write {folder.move_to()}",
        )
    elif os.geteuid() == 0 and existing == folder.path and existing.stat().st_uid != 0:
        owner = _user(existing.stat().st_uid)
        yield note(
            folder.subject,
            f"{existing} belongs to {owner}, and root may write everywhere",
            f"sudo -u {owner} flask chest doctor",
        )


def _examine_space(folder: Folder, existing: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(existing).free
    status = os.statvfs(existing)
    if status.f_files and not status.f_favail:
        yield Finding(folder.subject, f"the file system of {existing} has no free inodes")
    if free < folder.max_bytes:
        mebibytes = free // 2**20
        yield Finding(
            folder.subject,
            f"{mebibytes} MiB are free, and its files may take {folder.max_bytes // 2**20}",
            f"CHEST_BUFFER_MAX_BYTES = {max(1, mebibytes // 2)} * 1024 * 1024",
        )


def _examine_locks(folder: Folder) -> Iterator[Finding]:
    """Check with two descriptors of the folder itself, so that no file is created."""
    with suppress(OSError):  # some network file systems lock only files opened for writing
        first = os.open(folder.path, os.O_RDONLY)
        second = os.open(folder.path, os.O_RDONLY)
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(first)
            os.close(second)
        yield Finding(
            folder.subject,
            f"locks (flock) have no effect in {folder.path}: two processes would deliver the same "
            "records",
            folder.move_to(),
        )


def _examine_owners(folder: Folder) -> Iterator[Finding]:
    owner = folder.path.stat().st_uid
    foreign = [path for path in _entries(folder.path) if _owner_of(path) not in {owner, None}]
    if foreign:
        user = _user(owner)
        yield Finding(
            folder.subject,
            f"{foreign[0]} belongs to {_user(_owner_of(foreign[0]) or 0)}, but the folder to "
            f"{user}, whose processes may not use it",
            f"chown -R {user} {quote(str(folder.path))}",
        )


def _entries(folder: Path) -> list[Path]:
    return [path for depth in ("*", "*/*") for path in _glob(folder, depth)]


def _glob(folder: Path, pattern: str) -> list[Path]:
    find: Callable[[str], Iterator[Path]] = folder.glob
    with suppress(OSError):
        return sorted(find(pattern))
    return []


def _owner_of(path: Path) -> int | None:
    with suppress(OSError):  # removed meanwhile
        return path.lstat().st_uid
    return None


def _user(uid: int) -> str:
    import pwd

    with suppress(KeyError):  # containers run as users without a name
        return pwd.getpwuid(uid).pw_name
    return str(uid)
