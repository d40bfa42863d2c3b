"""One writer's folder, read by each chest at its own pace."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import threading
from collections import Counter
from pathlib import Path

from .buffer import LossListener, Page
from .files import FileLock, read_json
from .frame import Frame, unpack
from .ledger import Ledger
from .place import Place
from .writer import VERSION, segment_numbers, segment_path

_CHUNK = 1024 * 1024
_MASKS = re.compile(rb"^[0-9a-f]{14}([0-9a-f]{8}) \{", re.MULTILINE)


class ForeignFolderError(Exception):
    """A folder in the journal that this version did not make."""


class JournalSource:
    """Reads the records of one writer.

    :param folder: the writer's folder.
    :param on_lost: told of records that could not be read or had to go.
    :raises ForeignFolderError: the folder is of another version, or no writer's at all.
    """

    def __init__(self, folder: Path, on_lost: LossListener) -> None:
        described = read_json(folder / "writer.json")
        if not isinstance(described, dict) or described.get("version") != VERSION:
            raise ForeignFolderError(str(folder))
        self.folder = folder
        self.dead = False
        self._on_lost = on_lost
        self._bits = {str(name): bit for bit, name in enumerate(described.get("chests", ()))}
        self._places = self._load_places()
        self._reader = FileLock(folder / "reader.lock")
        self._lock = threading.Lock()

    def claim(self) -> bool:
        """Become the one process that delivers this writer's records."""
        if not self._reader.acquire():
            return False
        # Another one may have come further between our look and our claim.
        self._places = self._load_places()
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
        reading = _Reading(1 << self._bits[chest], place.position, limit)
        # Asked before reading: what comes later than the answer would be taken for the end.
        dead = self.dead
        while not reading.full and self._read_on(reading, dead):
            pass
        if reading.position == place.position:
            return None
        return Page(reading.lines, reading.position, reading.damaged)

    def commit(self, chest: str, page: Page, delivered: int, rejected: int) -> None:
        with self._lock:
            place = self._places[chest]
            account = place.account
            account.delivered += delivered
            account.rejected += rejected
            if page.end > place.position:
                place.move(page.end)
                self._lose(chest, "damaged", page.damaged)
            else:
                # They were given up for want of room while they were under way.
                account.lost["overflow"] -= len(page.lines)
            place.save()
            self._remove_passed()

    def still_owed(self, segment: int, frame: Frame) -> int:
        """The mask of the chests that have not got a record yet.

        :param segment: the number of the segment that the frame lies in.
        """
        return sum(
            1 << bit
            for chest, bit in self._bits.items()
            if frame.mask >> bit & 1 and self._places[chest].position < (segment, frame.end)
        )

    def finished(self) -> bool:
        """Whether the writer is dead and every chest has got everything."""
        return self.dead and all(self.read(chest, 1) is None for chest in self._places)

    def drop_oldest(self) -> bool:
        """Give up the oldest segment, unless it is being written. ``True`` when it is gone."""
        with self._lock:
            numbers = segment_numbers(self.folder)
            if len(numbers) < 2 and not self.dead:
                return False
            for chest, place in self._places.items():
                if numbers and place.segment <= numbers[0]:
                    count = self._count(place, self._bits[chest], only=numbers[0])
                    place.move((numbers[0] + 1, Place(place.path).offset))
                    self._lose(chest, "overflow", count)
                    place.save()
            self._remove_passed()
            return bool(numbers)

    def ledger(self) -> Ledger:
        """The fate of every record of this writer."""
        found = Ledger()
        for chest, place in self._places.items():
            account = found.account(chest)
            account.add(place.account)
            account.pending = self._count(place, self._bits[chest])
        return found

    def remove(self) -> None:
        """Delete the folder; the caller has taken its ledger."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._reader.release()

    def release(self) -> None:
        """Let another process deliver what is left."""
        self._reader.release()

    def _load_places(self) -> dict[str, Place]:
        return {name: Place.load(self.folder / f"{bit}.place") for name, bit in self._bits.items()}

    def _read_on(self, reading: _Reading, dead: bool) -> bool:
        number, offset = reading.position
        final = self._is_final(number, dead)
        data = _read_chunk(segment_path(self.folder, number), offset)
        if data is None:
            return self._skip_to_next(reading, number)
        if reading.take(data) or self._take_more(reading, data):
            return True
        if not final:
            return False
        reading.damaged += bool(data)
        return self._skip_to_next(reading, number)

    def _take_more(self, reading: _Reading, data: bytes) -> bool:
        """Look past a damaged stretch that is longer than a chunk."""
        number, offset = reading.position
        size = _CHUNK
        while len(data) == size:
            size *= 2
            data = _read_chunk(segment_path(self.folder, number), offset, size) or b""
            if reading.take(data):
                return True
        return False

    def _skip_to_next(self, reading: _Reading, number: int) -> bool:
        later = [each for each in segment_numbers(self.folder) if each > number]
        if not later:
            return False
        reading.position = (later[0], Place(self.folder).offset)
        return True

    def _is_final(self, number: int, dead: bool) -> bool:
        if dead:
            return True
        if not segment_path(self.folder, number + 1).exists():
            return False
        return _unlocked(segment_path(self.folder, number))

    def _remove_passed(self) -> None:
        reached = min((place.segment for place in self._places.values()), default=0)
        for number in segment_numbers(self.folder):
            if number < reached:
                segment_path(self.folder, number).unlink(missing_ok=True)

    def _count(self, place: Place, bit: int, only: int | None = None) -> int:
        total = 0
        for number in segment_numbers(self.folder):
            if number < place.segment or only not in (None, number):
                continue
            offset = place.offset if number == place.segment else 0
            path = segment_path(self.folder, number)
            data = _read_chunk(path, offset, path.stat().st_size) or b""
            masks = Counter(_MASKS.findall(data))
            total += sum(n for mask, n in masks.items() if int(mask, 16) >> bit & 1)
        return total

    def _lose(self, chest: str, reason: str, count: int) -> None:
        if count:
            self._places[chest].account.lost[reason] += count
            self._on_lost(chest, reason, count)


class _Reading:
    """A page that is being filled."""

    def __init__(self, mask: int, position: tuple[int, int], limit: int) -> None:
        self.position = position
        self.lines: list[bytes] = []
        self.damaged = 0
        self._mask = mask
        self._limit = limit

    @property
    def full(self) -> bool:
        return len(self.lines) >= self._limit

    def take(self, data: bytes) -> bool:
        """Take frames from a chunk; ``False`` where it holds not one whole frame."""
        number, offset = self.position
        end = 0
        for frame in unpack(data):
            end = frame.end
            if frame.line is None:
                self.damaged += 1
            elif frame.mask & self._mask:
                self.lines.append(frame.line)
                if self.full:
                    break
        self.position = (number, offset + end)
        return end > 0


def _read_chunk(path: Path, offset: int, size: int = _CHUNK) -> bytes | None:
    try:
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)
    except FileNotFoundError:
        return None


def _unlocked(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return True
    except OSError:
        return False
