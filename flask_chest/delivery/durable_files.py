"""Crash-safe files: atomic replacement, checksums, fsync."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from .file_ownership import create_file, open_or_create, random_name

_CHECKSUM = "checksum"

# What file systems answer that cannot fsync a folder: network and FUSE file systems.
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


def read_json(path: Path) -> Any:
    """Return the content of a file that :func:`replace_json` wrote; ``None`` if missing or damaged.

    The file has a checksum, since JSON with a flipped bit may still be valid JSON.

    :raises OSError: the file exists and cannot be read.
    """
    try:
        return decode_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


def decode_json(encoded: bytes) -> Any:
    """Return the content of a file; ``None`` if it is damaged."""
    try:
        content = orjson.loads(encoded)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.pop(_CHECKSUM, None) != _checksum(content):
        return None
    return content


def replace_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file atomically: after a crash it has the old or the new content.

    :raises OSError: the file could not be written; the old content is still there.
    """
    new = random_name(path)
    try:
        descriptor = create_file(new)
        try:
            write_whole(descriptor, _encode(content))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
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
    descriptor = open_or_create(path)
    try:
        # Padded instead of truncated: on a full disk the freed space might be taken by others.
        write_whole(descriptor, _encode(content).ljust(os.fstat(descriptor).st_size))
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, content: bytes) -> None:
    """Write all bytes.

    :raises OSError: not all bytes were written. A disk that runs full accepts a part first, without
        an error.
    """
    if os.write(descriptor, content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync_data(descriptor: int) -> None:
    """Fsync a file's content.

    On macOS, ``fsync`` leaves the content in the cache of the disk, and there is no ``fdatasync``.

    :raises OSError: the content is not on the disk.
    """
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        # Some file systems do not know it; SQLite then calls fsync(), too.
        with suppress(OSError):
            fcntl.fcntl(descriptor, full)
            return
    getattr(os, "fdatasync", os.fsync)(descriptor)


def sync_file(path: Path) -> None:
    """Fsync the content of a file that is not open."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync_data(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Fsync a folder's entries: the fsync of a file does not cover its name.

    https://man7.org/linux/man-pages/man2/fsync.2.html

    :raises OSError: the entries are not on the disk. A file system that cannot fsync a folder is no
        failure: it orders names and content in its own way.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _encode(content: dict[str, Any]) -> bytes:
    return orjson.dumps({**content, _CHECKSUM: _checksum(content)})


def _checksum(content: dict[str, Any]) -> str:
    return f"{crc32(orjson.dumps(content)):08x}"
