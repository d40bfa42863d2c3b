"""A process' own folder in the journal: one ``os.write`` per record, and no lock for it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from .files import FileLock, read_json, replace_json, sync_file, sync_folder, write_json
from .frame import pack
from .place import Place
from .segment import Segment

#: What ``writer.json`` says; a folder that says otherwise was made by another version.
VERSION = 1

_SEGMENT_NAME = re.compile(r"[0-9]{8,12}\.segment")
# All that is in a journal hangs on this file, so there are two of it.
_DESCRIPTIONS = ("writer.json", "writer.copy.json")

# The next segment, before it has a number.
_SPARE = "next.segment"


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment lies."""
    return folder / f"{number:08}.segment"


def counts_path(folder: Path, number: int) -> Path:
    """Where it is noted how many records of which mask a full segment has."""
    return folder / f"{number:08}.counts"


def place_path(folder: Path, bit: int) -> Path:
    """Where a chest's place is kept."""
    return folder / f"{bit}.place"


def segment_numbers(folder: Path) -> list[int]:
    """The segments of a folder, oldest first."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    return sorted(int(name.partition(".")[0]) for name in names if _SEGMENT_NAME.fullmatch(name))


def read_description(folder: Path) -> dict[str, Any] | None:
    """What a writer said of itself; ``None`` where that is missing, damaged, or not to be read."""
    for name in _DESCRIPTIONS:
        found = read_json(folder / name)
        if isinstance(found, dict):
            return found
    return None


class JournalWriter:
    """Appends records in a folder of its own.

    :param root: the journal's folder; made where it is missing.
    :param chests: names of the chests; their order gives the bits of a mask.
    :param segment_bytes: from this size on the next segment is begun.
    :param owner: the app that it writes for.
    :raises OSError: the folder cannot be made.
    """

    def __init__(
        self, root: Path, chests: Sequence[str], segment_bytes: int, owner: str = ""
    ) -> None:
        self._segment_bytes = segment_bytes
        self._rotation = threading.Lock()
        # Number and counts of those that are full and not on the disk yet. Not the segments: while
        # one is held it is open and locked, and nobody may take it to be at its end.
        self._full: list[tuple[int, Mapping[int, int]]] = []
        self._counted: Counter[int] = Counter()
        self._spare: Segment | None = None
        self._synced = (0, 0)
        name = f"{time.time_ns() // 1_000_000:012x}-{os.getpid()}-{secrets.token_hex(3)}"
        self.folder = root / name
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Nobody looks into it until it is whole and locked.
        hidden = root / f".{name}"
        hidden.mkdir(mode=0o700)
        self._alive = FileLock(hidden / "alive.lock")
        try:
            self._describe_in(hidden, chests, owner)
            self._segment = Segment(segment_path(hidden, 1), 1)
            hidden.rename(self.folder)
        except OSError:
            shutil.rmtree(hidden, ignore_errors=True)
            raise

    @property
    def segment(self) -> Segment:
        """The segment that is being written."""
        return self._segment

    @property
    def appended(self) -> Counter[int]:
        """How many records of which mask were appended."""
        with self._rotation:
            return self._counted + Counter(self._segment.counts)

    def append(self, line: bytes, mask: int) -> None:
        """Hand one record to the kernel, from where it outlives this process.

        :raises OSError: the disk is full, or the folder is gone.
        :raises TornRecordError: a part of it was taken.
        """
        segment = self._segment
        if segment.size >= self._segment_bytes:
            segment = self._rotate(segment)
        frame = pack(line, mask)
        written = os.write(segment.descriptor, frame)
        segment.size += written
        if written != len(frame):
            raise segment.tear()
        segment.counts[mask] += 1

    def sync(self) -> None:
        """Bring what was appended to the disk, where something was.

        :raises OSError: that failed, for some of it.
        """
        with self._rotation:
            full, self._full = self._full, []
        for each, counts in full:
            self._finish(each, counts)
        self._make_spare()
        segment = self._segment
        number, _ = self._synced
        if self._synced == (segment.number, segment.size):
            return
        self._synced = (segment.number, segment.size)
        segment.sync()
        if not number:
            for name in _DESCRIPTIONS:
                sync_file(self.folder / name)
            sync_folder(self.folder.parent)
        if segment.number != number:
            sync_folder(self.folder)

    def release(self) -> None:
        """Declare this writer dead: others may adopt what it leaves."""
        self._alive.release()

    def abandon(self) -> None:
        """In the child of a fork: let go of what the parent still holds."""
        self._alive.release()
        self._segment.close()
        if self._spare is not None:
            self._spare.close()

    def _describe_in(self, folder: Path, chests: Sequence[str], owner: str) -> None:
        if not self._alive.acquire():
            raise OSError(
                f"files in {folder.parent} cannot be locked; "
                "put CHEST_JOURNAL_DIR on a local file system"
            )
        described = {
            "version": VERSION,
            "pid": os.getpid(),
            "owner": owner,
            "chests": list(chests),
        }
        for name in _DESCRIPTIONS:
            write_json(folder / name, described)
        for bit in range(len(chests)):
            Place(place_path(folder, bit)).make()

    def _rotate(self, full: Segment) -> Segment:
        with self._rotation:
            if self._segment is not full:
                return self._segment
            number = full.number + 1
            try:
                self._segment = self._take_spare(number) or Segment(
                    segment_path(self.folder, number), number
                )
            except OSError:
                if full.torn:
                    raise
                return full  # one that is longer than it should be loses nothing
            self._full.append((full.number, full.counts))
            self._counted.update(full.counts)
            return self._segment

    def _make_spare(self) -> None:
        # When the disk is full, none can be made; and while the last one is in use, it cannot be
        # removed, which may be what would make room.
        if self._spare is None:
            with suppress(OSError):
                self._spare = Segment(self.folder / _SPARE, 0)

    def _take_spare(self, number: int) -> Segment | None:
        spare, self._spare = self._spare, None
        if spare is not None:
            (self.folder / _SPARE).rename(segment_path(self.folder, number))
            spare.number = number
        return spare

    def _finish(self, number: int, counts: Mapping[int, int]) -> None:
        """Bring a full segment to the disk, and spare others from counting its records."""
        try:
            descriptor = os.open(segment_path(self.folder, number), os.O_WRONLY)
        except FileNotFoundError:
            return  # delivered already
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        with suppress(OSError):
            noted = {f"{mask:08x}": count for mask, count in counts.items()}
            replace_json(counts_path(self.folder, number), {"counts": noted})
            if not segment_path(self.folder, number).exists():
                counts_path(self.folder, number).unlink()
