"""Overwrites records that every chest has got and that still stand in a segment.

A segment is removed when all of its records are delivered and the next one is begun. Until then a
delivered record can be read in the file, which matters when somebody erases it from the stores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from .app_scope import JournalScope
from .checkpoint import FIRST_OFFSET, Checkpoint
from .file_names import checkpoint_path, segment_numbers, segment_path, writer_folders
from .record_framing import HEADER_BYTES, unpack
from .writer_description import Description, ForeignFolderError

IsMatch = Callable[[bytes], bool]


def overwrite_delivered_copies(scope: JournalScope, is_match: IsMatch) -> int:
    """Overwrite the delivered records of an app that match; return how many there were.

    :param is_match: called with the line of each record.
    :raises OSError: a segment cannot be written.
    """
    count = 0
    for folder in writer_folders(scope.root):
        try:
            description = Description.read(folder)
        except (ForeignFolderError, OSError):
            continue  # another app's, or being removed
        if description.app_name == scope.app_name and description.chests:
            count += _overwrite_in(folder, len(description.chests), is_match)
    return count


def _overwrite_in(folder: Path, chests: int, is_match: IsMatch) -> int:
    loaded = (Checkpoint.load(checkpoint_path(folder, bit)) for bit in range(chests))
    number, offset = min(checkpoint.position for checkpoint in loaded)
    count = 0
    for each in segment_numbers(folder):
        if each > number:
            break
        # Its readers may remove it at any time.
        with suppress(FileNotFoundError):
            end = offset if each == number else None
            count += _overwrite_before(segment_path(folder, each), end, is_match)
    return count


def _overwrite_before(path: Path, end: int | None, is_match: IsMatch) -> int:
    # Without O_APPEND, which would make pwrite() append on Linux. The writer goes on appending.
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)[:end]
        count = 0
        for start, line, mask in _frames(data):
            if is_match(line):
                os.pwrite(descriptor, _blank_frame(len(line), mask), start)
                count += 1
        if count:
            os.fsync(descriptor)
        return count
    finally:
        os.close(descriptor)


def _frames(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield the offset, the line and the mask of each undamaged record."""
    start = FIRST_OFFSET
    while start < len(data):
        frame = unpack(data, start)
        if frame is None:
            newline = data.find(b"\n", start)
            if newline < 0:
                return
            start = newline + 1
            continue
        if frame.line is not None:
            yield start, frame.line, frame.mask
        start = frame.end


def _blank_frame(length: int, mask: int) -> bytes:
    """A frame of the same length whose line is an empty JSON object."""
    line = b"{}".ljust(length)
    header = b"%08x%06x%08x " % (crc32(line, mask), length, mask)
    assert len(header) == HEADER_BYTES
    return header + line
