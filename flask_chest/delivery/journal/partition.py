"""One writer's folder, read by each chest at its own pace."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Collection
from pathlib import Path

from ..._throttle import LogThrottle
from ..buffer import LossListener, Page
from ..durable_files import FileLock
from ..ledger import Ledger
from .backlog import count_from, count_in
from .checkpoint import Checkpoint
from .chest_names import moved_stores, present_names
from .framing import Frame
from .layout import (
    VERSION,
    counts_path,
    place_path,
    read_description,
    segment_numbers,
    segment_path,
)
from .page_reader import PageReader, is_unlocked
from .scope import JournalScope

_logger = logging.getLogger("flask_chest.delivery")
_log = LogThrottle(_logger)

# A place that moves on while its records are counted is looked at again, but not for ever.
_LOOKS = 100


class ForeignFolderError(Exception):
    """A folder in the journal that this version did not make."""


class Partition:
    """Reads the records of one writer.

    :param folder: the writer's folder.
    :param scope: the app that reads it, with its chests of today.
    :param on_lost: called for records that could not be read or were dropped.
    :raises ForeignFolderError: the folder is of another version, or no writer's at all.
    """

    def __init__(self, folder: Path, scope: JournalScope, on_lost: LossListener) -> None:
        described = read_description(folder)
        if described is None or described.get("version") != VERSION:
            raise ForeignFolderError(str(folder))
        self.folder = folder
        self.dead = False
        #: The app that it was written for.
        self.app_name = str(described.get("owner", ""))
        self._on_lost = on_lost
        called, then = described.get("chests", ()), described.get("stores", {})
        names = present_names(called, then, scope.locations)
        self._bits = {name: bit for bit, name in enumerate(names)}
        kept = [name for name, before in zip(names, called, strict=True) if name == before]
        #: Chests whose records wait by their names alone: where they were, and are.
        self.moved = moved_stores(kept, then, scope.locations)
        self._places = self._load_places()
        self._reader = FileLock(folder / "reader.lock")
        self._lock = threading.Lock()
        self._claimed = False
        self._released = False

    @property
    def chests(self) -> Collection[str]:
        """The chests that its records may be for."""
        return self._bits.keys()

    def claim(self) -> bool:
        """Become the one process that delivers this writer's records."""
        if not self._reader.acquire():
            return False
        # Another one may have come further between our look and our claim.
        self._places = self._load_places()
        self._claimed, self._released = True, False
        return True

    def notice_death(self) -> None:
        """See whether the writer still lives; a dead one's last segment gets no more records."""
        alive = FileLock(self.folder / "alive.lock")
        if not self.dead and alive.acquire():
            alive.release()
            self.dead = True

    def read(self, chest: str, limit: int) -> Page | None:
        place = self._places.get(chest)
        if place is None:
            return None
        start = place.position
        reading = PageReader(1 << self._bits[chest], start, limit)
        last = False
        while not reading.full:
            number = reading.position[0]
            if self._read_on(reading):
                continue
            last = reading.position[0] == number
            # A page ends with its segment, so that it is given up as a whole or not at all.
            if last or reading.lines or reading.damaged:
                break
        if reading.position == start:
            return None
        return Page(reading.lines, reading.position, reading.damaged, start, last)

    def commit(self, chest: str, page: Page, delivered: int, rejected: int) -> None:
        with self._lock:
            if self._released:
                return  # somebody else delivers it now, and keeps the place
            place = self._places[chest]
            account = place.account
            account.delivered += delivered
            account.rejected += rejected
            if page.start == place.position:
                place.move(page.end)
                self._lose(chest, "damaged", page.damaged)
            else:
                # They were given up for want of room while they were under way.
                account.lost["overflow"] -= len(page.lines)
            self._keep(place)

    def still_owed(self, segment: int, frame: Frame) -> int:
        """The mask of the chests that have not got a record yet.

        :param segment: the number of the segment that the frame lies in.
        """
        return sum(
            1 << bit
            for chest, bit in self._bits.items()
            if frame.mask >> bit & 1 and self._places[chest].position < (segment, frame.end)
        )

    def has_more(self, chests: Collection[str]) -> bool:
        """Whether there is something to be delivered to any of these chests."""
        pages = (self.read(chest, 1) for chest in chests)
        return any(page is not None and (page.lines or page.damaged) for page in pages)

    def complete(self) -> bool:
        """Whether no record is added any more: the writer is dead, and its last request over."""
        return self.dead and all(map(self._is_final, segment_numbers(self.folder)))

    def finished(self) -> bool:
        """Whether it is complete, and every chest has got everything."""
        # Asked before reading: what comes after the answer would be overlooked.
        return self.complete() and not self.has_more(self._places)

    def drop_oldest(self) -> bool:
        """Give up the oldest segment, unless it is being written. ``True`` when it is gone."""
        with self._lock:
            numbers = segment_numbers(self.folder)
            if not numbers or not self._is_final(numbers[0]):
                return False
            for chest, place in self._places.items():
                if place.segment <= numbers[0]:
                    offset = place.offset if place.segment == numbers[0] else 0
                    count = count_in(self.folder, numbers[0], offset, self._bits[chest])
                    place.move((numbers[0] + 1, Checkpoint(place.path).offset))
                    self._lose(chest, "overflow", count)
                    self._keep(place)
            return not segment_path(self.folder, numbers[0]).exists()

    def ledger(self) -> Ledger:
        """The fate of every record of this writer."""
        found = Ledger()
        for chest, bit in self._bits.items():
            place, pending = self._count(chest, bit)
            account = found.account(chest)
            account.add(place.account)
            account.pending = pending
        return found

    def accounts(self) -> Ledger:
        """What is done with: as :meth:`ledger`, without what is pending."""
        found = Ledger()
        for chest, place in self._places.items():
            found.account(chest).add(place.account)
        return found

    def remove(self) -> None:
        """Delete the folder; the caller has taken its ledger.

        :raises OSError: it cannot be.
        """
        # First out of everybody's sight: half a folder would look like one with nothing delivered.
        hidden = self.folder.with_name(f".{self.folder.name}")
        self.folder.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Let another process deliver what is left."""
        with self._lock:
            self._claimed, self._released = False, True
            self._reader.release()

    def after_fork_in_child(self) -> None:
        """In the child of a fork: the claim stays the parent's."""
        self._reader.release()

    def _load_places(self) -> dict[str, Checkpoint]:
        return {name: self._load_place(bit) for name, bit in self._bits.items()}

    def _load_place(self, bit: int) -> Checkpoint:
        return Checkpoint.load(place_path(self.folder, bit))

    def _read_on(self, reading: PageReader) -> bool:
        number = reading.position[0]
        # Asked before reading: what comes later than the answer would be taken for the end.
        final = self._is_final(number)
        more = reading.read_on(segment_path(self.folder, number), final)
        if more is not None:
            return more
        numbers = segment_numbers(self.folder)
        later = [each for each in numbers if each > number]
        if later:
            reading.position = (later[0], Checkpoint(self.folder).offset)
        elif number in numbers and not self.dead:
            # There may be no room for the next one until this one is passed, and so removed.
            reading.position = (number + 1, Checkpoint(self.folder).offset)
        return False

    def _is_final(self, number: int) -> bool:
        # Who writes to a segment keeps it locked, a dead one until its last request is over.
        return is_unlocked(segment_path(self.folder, number))

    def _keep(self, place: Checkpoint) -> None:
        """Save a place, and remove what every chest has passed."""
        try:
            place.save()
            self._remove_passed()
        except OSError:
            self._keep_without_room(place)

    def _keep_without_room(self, place: Checkpoint) -> None:
        # A full disk has no room for the place of those who could make room: so room is made
        # first. Should this process die in between, records that are there still are sent again.
        try:
            self._remove_passed()
            place.save()
        except OSError as error:
            _log.warning(
                "place",
                "%s: how far delivery has come cannot be kept: %s; make room there or make it "
                "writable, else records are sent twice after a crash",
                place.path,
                error,
            )

    def _remove_passed(self) -> None:
        reached = min((place.segment for place in self._places.values()), default=0)
        for number in segment_numbers(self.folder):
            if number < reached:
                segment_path(self.folder, number).unlink(missing_ok=True)
                counts_path(self.folder, number).unlink(missing_ok=True)

    def _count(self, chest: str, bit: int) -> tuple[Checkpoint, int]:
        if self._claimed:
            with self._lock:
                place = self._places[chest]
                return place, count_from(self.folder, *place.position, bit)
        for _ in range(_LOOKS):
            place = self._load_place(bit)
            pending = count_from(self.folder, *place.position, bit)
            # What was passed meanwhile may have been removed before it was counted.
            if self._load_place(bit).segment == place.segment:
                break
        return place, pending

    def _lose(self, chest: str, reason: str, count: int) -> None:
        if count:
            self._places[chest].account.lost[reason] += count
            self._on_lost(chest, reason, count)
