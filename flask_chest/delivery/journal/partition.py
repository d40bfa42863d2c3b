"""A partition of the journal: one writer's folder, which each chest reads at its own pace."""

from __future__ import annotations

import errno
import logging
import shutil
import threading
from collections.abc import Collection
from pathlib import Path

from ..._throttle import LogThrottle
from ..buffer_protocol import LossListener, Page
from ..file_lock import FileLock
from ..ledger import Ledger
from .app_scope import JournalScope
from .checkpoint import FIRST_OFFSET, Checkpoint
from .file_names import checkpoint_path, counts_path, segment_numbers, segment_path
from .page_reader import PageReader, is_final
from .pending_counts import count_from, count_in
from .record_framing import Frame
from .renamed_chests import moved_stores, resolve_renames
from .writer_description import Description, ForeignFolderError

_logger = logging.getLogger("flask_chest.delivery")
_log = LogThrottle(_logger)

# How often a count is repeated if the checkpoint moves meanwhile.
_MAX_COUNTS = 100


class Partition:
    """Reads the records of one writer.

    :param folder: the writer's folder.
    :param scope: the reading app, with the chests that it has today.
    :param on_lost: called for records that could not be read or were dropped.
    :raises ForeignFolderError: another version wrote the folder, or its description is damaged.
    :raises FileNotFoundError: another process is removing the folder.
    :raises OSError: it cannot be read.
    """

    def __init__(self, folder: Path, scope: JournalScope, on_lost: LossListener) -> None:
        #: The app that wrote it.
        self.description = Description.read(folder)
        self.folder = folder
        self.writer_is_dead = False
        self._on_lost = on_lost
        stored, then = self.description.chests, self.description.locations
        names = resolve_renames(stored, then, scope.locations)
        self._bits = {name: bit for bit, name in enumerate(names)}
        unchanged = [name for name, before in zip(names, stored, strict=True) if name == before]
        #: The old and the new location of chests whose records follow the name.
        self.moved_stores = moved_stores(unchanged, then, scope.locations)
        self._checkpoints = self._load_checkpoints()
        self._reader_lock = FileLock(folder / "reader.lock")
        self._lock = threading.Lock()
        self._claimed = False
        self._released = False

    @property
    def chests(self) -> Collection[str]:
        """The names of the chests that its records may be for."""
        return self._bits.keys()

    def claim(self) -> bool:
        """Become the only process that delivers these records; ``False`` if another one does."""
        if not self._reader_lock.acquire():
            return False
        # Another process may have delivered records since the checkpoints were loaded.
        self._checkpoints = self._load_checkpoints()
        self._claimed, self._released = True, False
        return True

    def check_writer_alive(self) -> None:
        """Set :attr:`writer_is_dead` if the writer's process is gone."""
        alive = FileLock(self.folder / "alive.lock")
        if not self.writer_is_dead and alive.acquire():
            alive.release()
            self.writer_is_dead = True

    def read(self, chest: str, limit: int) -> Page | None:
        checkpoint = self._checkpoints.get(chest)
        if checkpoint is None:
            return None
        start = checkpoint.position
        reader = PageReader(1 << self._bits[chest], start, limit)
        last = False
        while not reader.full:
            number = reader.position[0]
            if self._read_segment(reader):
                continue
            last = reader.position[0] == number
            # A page ends with its segment, so that a segment is dropped with whole pages.
            if last or reader.lines or reader.damaged:
                break
        if reader.position == start:
            return None
        return Page(reader.lines, reader.position, reader.damaged, start, last)

    def commit(self, chest: str, page: Page, delivered: int, rejected: int) -> None:
        with self._lock:
            if self._released:
                return  # another process delivers now, and saves the checkpoint
            checkpoint = self._checkpoints[chest]
            account = checkpoint.account
            account.delivered += delivered
            account.rejected += rejected
            if page.start == checkpoint.position:
                checkpoint.move(page.end)
                self._count_lost(chest, "damaged", page.damaged)
            else:
                # drop_oldest() counted these records as lost while they were being sent.
                account.lost["overflow"] -= len(page.lines)
            self._save(checkpoint)

    def undelivered_mask(self, segment: int, frame: Frame) -> int:
        """Return the mask of the chests that have not received a record yet.

        :param segment: the number of the record's segment.
        """
        return sum(
            1 << bit
            for chest, bit in self._bits.items()
            if frame.mask >> bit & 1 and self._checkpoints[chest].position < (segment, frame.end)
        )

    def has_undelivered(self, chests: Collection[str]) -> bool:
        """Return whether records wait for any of these chests."""
        pages = (self.read(chest, 1) for chest in chests)
        return any(page is not None and (page.lines or page.damaged) for page in pages)

    def is_complete(self) -> bool:
        """Return whether no record will be added: the writer is dead, its last request over."""
        return self.writer_is_dead and all(map(self._is_final, segment_numbers(self.folder)))

    def is_finished(self) -> bool:
        """Return whether it is complete, and every chest has received all its records."""
        # Completeness is checked first: a record that is added later would be overlooked.
        return self.is_complete() and not self.has_undelivered(self._checkpoints)

    def drop_oldest(self) -> bool:
        """Drop the oldest segment, unless it is being written; return whether it is gone."""
        with self._lock:
            numbers = segment_numbers(self.folder)
            if not numbers or not self._is_final(numbers[0]):
                return False
            for chest, checkpoint in self._checkpoints.items():
                if checkpoint.segment <= numbers[0]:
                    offset = checkpoint.offset if checkpoint.segment == numbers[0] else 0
                    count = count_in(self.folder, numbers[0], offset, self._bits[chest])
                    checkpoint.move((numbers[0] + 1, FIRST_OFFSET))
                    self._count_lost(chest, "overflow", count)
                    self._save(checkpoint)
            return not segment_path(self.folder, numbers[0]).exists()

    def ledger(self) -> Ledger:
        """Return the ledger of this writer's records."""
        ledger = Ledger()
        for chest, bit in self._bits.items():
            checkpoint, pending = self._count_pending(chest, bit)
            account = ledger.account(chest)
            account.add(checkpoint.account)
            account.pending = pending
        return ledger

    def accounts(self) -> Ledger:
        """Return the ledger without the pending records, which take long to count."""
        ledger = Ledger()
        for chest, checkpoint in self._checkpoints.items():
            ledger.account(chest).add(checkpoint.account)
        return ledger

    def remove(self) -> None:
        """Delete the folder. The caller has added its ledger to the totals.

        :raises OSError: the folder could not be removed.
        """
        # Hidden first: a half-deleted folder would look like one without any checkpoint.
        hidden = self.folder.with_name(f".{self.folder.name}")
        try:
            self.folder.rename(hidden)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._remove_in_place()
        else:
            shutil.rmtree(hidden, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let another process deliver the remaining records."""
        with self._lock:
            self._claimed, self._released = False, True
            self._reader_lock.release()

    def after_fork_in_child(self) -> None:
        """Close the child's copy of the lock; the parent keeps its claim."""
        self._reader_lock.release()

    def _remove_in_place(self) -> None:
        # overlayfs cannot rename a folder that is part of an image. Segments go first: without
        # them, what a crash leaves has no record, and the totals name it as counted.
        for number in segment_numbers(self.folder):
            segment_path(self.folder, number).unlink(missing_ok=True)
        shutil.rmtree(self.folder)

    def _load_checkpoints(self) -> dict[str, Checkpoint]:
        return {name: self._load_checkpoint(bit) for name, bit in self._bits.items()}

    def _load_checkpoint(self, bit: int) -> Checkpoint:
        return Checkpoint.load(checkpoint_path(self.folder, bit))

    def _read_segment(self, reader: PageReader) -> bool:
        """Read from the current segment; ``False`` at its end, maybe moved to the next segment."""
        number = reader.position[0]
        # Checked before reading: a record that is written later must not be skipped.
        final = self._is_final(number)
        more = reader.read_segment(segment_path(self.folder, number), final)
        if more is not None:
            return more
        numbers = segment_numbers(self.folder)
        later = [each for each in numbers if each > number]
        if later:
            reader.position = (later[0], FIRST_OFFSET)
        elif number in numbers and not self.writer_is_dead:
            # On a full disk the writer can create the next segment only after this one is removed.
            reader.position = (number + 1, FIRST_OFFSET)
        return False

    def _is_final(self, number: int) -> bool:
        return is_final(segment_path(self.folder, number))

    def _save(self, checkpoint: Checkpoint) -> None:
        """Save a checkpoint, and remove the segments that every chest has passed."""
        try:
            checkpoint.save()
            self._remove_passed()
        except OSError:
            self._save_on_full_disk(checkpoint)

    def _save_on_full_disk(self, checkpoint: Checkpoint) -> None:
        # Segments are removed first, to make room for the checkpoint. If the process dies in
        # between, the remaining records are sent again.
        try:
            self._remove_passed()
            checkpoint.save()
        except OSError as error:
            _log.warning(
                "checkpoint",
                "%s: delivery's progress cannot be saved: %s; free disk space or make the file "
                "writable, else records are sent twice after a crash",
                checkpoint.path,
                error,
            )

    def _remove_passed(self) -> None:
        reached = min((each.segment for each in self._checkpoints.values()), default=0)
        for number in segment_numbers(self.folder):
            if number < reached:
                segment_path(self.folder, number).unlink(missing_ok=True)
                counts_path(self.folder, number).unlink(missing_ok=True)

    def _count_pending(self, chest: str, bit: int) -> tuple[Checkpoint, int]:
        if self._claimed:
            with self._lock:
                checkpoint = self._checkpoints[chest]
                return checkpoint, count_from(self.folder, *checkpoint.position, bit)
        for _ in range(_MAX_COUNTS):
            checkpoint = self._load_checkpoint(bit)
            pending = count_from(self.folder, *checkpoint.position, bit)
            # If the chest passed a segment meanwhile, it may have been removed before its count.
            if self._load_checkpoint(bit).segment == checkpoint.segment:
                break
        return checkpoint, pending

    def _count_lost(self, chest: str, reason: str, count: int) -> None:
        if count:
            self._checkpoints[chest].account.lost[reason] += count
            self._on_lost(chest, reason, count)


def open_own(
    folder: Path, scope: JournalScope, on_lost: LossListener = lambda *_: None
) -> Partition | None:
    """Open a partition; ``None`` if another app or version wrote it, or if it is unreadable."""
    try:
        partition = Partition(folder, scope, on_lost)
    except (ForeignFolderError, OSError):
        return None
    return partition if partition.description.belongs_to(scope) else None
