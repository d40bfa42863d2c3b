"""Archives the closed hours of an app's chests in the background."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from ..archive.archives import Archives
from ..chests.base import Chest
from ..delivery.file_lock import FileLock
from ..delivery.file_ownership import create_root, open_or_create
from ..query.time_intervals import HOUR

#: Seconds between the end of an hour and its archiving. It is longer than the time after which
#: writers report records as late, so that a slow write is in the part or reported.
GRACE = 600


def closed_until() -> int:
    """The end of the last hour that may be archived: seconds since 1970, UTC."""
    return (int(time.time()) - GRACE) // HOUR * HOUR


class BackgroundArchiving:
    """Archives each chest once an hour, in one of the processes of this machine.

    :param archives: the archives.
    """

    def __init__(self, archives: Archives) -> None:
        self._archives = archives
        self._finished: dict[str, int] = {}

    def run(self, chest: Chest, stop: threading.Event) -> None:
        """Archive the closed hours of a chest, unless that was done in this hour.

        :param stop: set when the process shuts down.
        :raises flask_chest.errors.ChestError: the store or the archive does not answer.
        """
        place = self._archives.place
        until = closed_until()
        if place is None or not self._archives.has(chest):
            return
        if self._finished.get(chest.name) == until:
            return
        turn = _Turn(place, chest)
        if turn.is_over(until):
            self._finished[chest.name] = until
        elif turn.begin():
            try:
                archive = self._archives.of(chest)
                retention = self._archives.retention
                is_done = archive is not None and archive.maintain(until, retention, stop)
                if is_done and not stop.is_set():
                    self._finished[chest.name] = until
                    turn.note(until)
            finally:
                turn.end()


class _Turn:
    """One process of this machine archives a chest, so that the others load no driver for it.

    :param place: the folder of the archives; processes take no turns for an object store.
    """

    def __init__(self, place: str, chest: Chest) -> None:
        self._folder = None if "://" in place else Path(place)
        name = f"{chest.name}-{crc32(chest.location().encode()):08x}"
        self._done = Path(place, f"{name}.done")
        self._lock = FileLock(Path(place, f"{name}.lock"))

    def is_over(self, until: int) -> bool:
        """Whether a process archived everything before a time: seconds since 1970."""
        if self._folder is None:
            return False
        with suppress(OSError, ValueError):
            return self._done.stat().st_mtime == until
        return False

    def begin(self) -> bool:
        """Begin, unless another process is at it."""
        if self._folder is None:
            return True
        with suppress(OSError):
            create_root(self._folder)
        try:
            return self._lock.acquire()
        except OSError:
            return True  # if the folder cannot be written to, the archive says why

    def note(self, until: int) -> None:
        """Note that everything before a time is archived."""
        if self._folder is not None:
            with suppress(OSError):
                os.close(open_or_create(self._done))
                os.utime(self._done, (until, until))

    def end(self) -> None:
        """Let another process begin."""
        self._lock.release()
