"""``CHEST_BUFFER_MAX_BYTES``: drops the oldest segments of a journal that has grown too large."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..buffer_protocol import LossListener
from .app_scope import JournalScope
from .file_names import segment_numbers, segment_path, writer_folders
from .partition import Partition, open_own


def enforce_size_limit(
    scope: JournalScope, max_bytes: int, partitions: Sequence[Partition], on_lost: LossListener
) -> None:
    """Drop the oldest segments until the app's segments fit.

    :param scope: the app; the segments of other apps are neither counted nor dropped.
    :param max_bytes: the limit for all segments of the app together.
    :param partitions: those that this process delivers from.
    :param on_lost: called for dropped records.
    """
    while True:
        segments = _segments(scope)
        if sum(size for _, size, _ in segments) <= max_bytes:
            return
        # Segments and not folders are sorted: the oldest record may be in any folder.
        oldest_first = [folder for _, _, folder in sorted(segments)]
        if not _drop_one(oldest_first, scope, partitions, on_lost):
            return


def _segments(scope: JournalScope) -> list[tuple[float, int, Path]]:
    """Return modification time, size and folder of each segment of the app."""
    segments = []
    for folder in writer_folders(scope.root):
        if open_own(folder, scope) is None:
            continue
        for number in segment_numbers(folder):
            with suppress(OSError):
                status = segment_path(folder, number).stat()
                segments.append((status.st_mtime, status.st_size, folder))
    return segments


def _drop_one(
    folders: Sequence[Path],
    scope: JournalScope,
    partitions: Sequence[Partition],
    on_lost: LossListener,
) -> bool:
    """Drop the oldest segment of the first folder that has one; ``False`` if none could be."""
    own = {partition.folder: partition for partition in partitions}
    for folder in folders:
        if folder in own:
            dropped: bool | None = own[folder].drop_oldest()
        else:
            dropped = _drop_unassigned(folder, scope, on_lost)
        if dropped is None:
            return False
        if dropped:
            return True
    return False


def _drop_unassigned(folder: Path, scope: JournalScope, on_lost: LossListener) -> bool | None:
    """Drop the oldest segment of a folder that may have no reader, as if the agent does not run.

    :returns: whether a segment was dropped; ``None`` if the folder has a reader, which will do it.
    """
    partition = open_own(folder, scope, on_lost)
    if partition is None:
        return False
    try:
        if not partition.claim():
            return None
        partition.check_writer_alive()
        return partition.drop_oldest()
    except OSError:
        return False  # it belongs to another user, or has just been removed
    finally:
        partition.release()
