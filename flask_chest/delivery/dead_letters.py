"""Dead letters: records that a chest will never accept, stored as JSON lines with the reason."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import orjson

from .durable_files import FileLock, write_whole
from .journal.scope import JournalScope

# Another process holds the lock for milliseconds, unless it is stopped.
_LOCK_TIMEOUT = 1.0


class DeadLetter(NamedTuple):
    """One dead letter.

    :param reason: why the record was rejected.
    :param line: the encoded record.
    :param app: the app that captured the record; empty if unknown. Apps may share a folder.
    :param store: the location of the store that rejected it; empty if unknown.
    """

    reason: str
    line: bytes
    app: str = ""
    store: str = ""

    def belongs_to(self, app: str) -> bool:
        """Return whether an app may replay or erase this letter."""
        return self.app in ("", app)


def chests_with_dead_letters(root: Path) -> list[str]:
    """Return the names of all chests that have dead letters, also of chests that no app has now.

    :param root: the journal's folder.
    """
    return sorted(unquote(path.stem) for path in root.glob("dead/*.ndjson"))


class DeadLetters:
    """The dead letters of one chest, in ``dead/<chest>.ndjson``.

    :param scope: the app that adds letters, and the journal's folder.
    :param chest: the chest's name.
    """

    def __init__(self, scope: JournalScope, chest: str) -> None:
        self._app = scope.app_name
        self._store = scope.locations.get(chest, "")
        # The user chooses the chest's name; it must not lead out of the folder.
        name = re.sub(r"^\.", "_", quote(chest, safe=" "))
        folder = scope.root / "dead"
        self.path = folder / f"{name}.ndjson"
        self._lock_path = folder / f"{name}.lock"
        #: Held during a replay of these letters.
        self.replay_lock = FileLock(folder / f"{name}.replay.lock")

    def add(self, lines: Sequence[bytes], reason: str) -> None:
        """Store rejected records.

        :param lines: the encoded records.
        :param reason: why they were rejected.
        :raises OSError: they could not be stored.
        """
        with self._locked():
            _append(self.path, (DeadLetter(reason, line, self._app, self._store) for line in lines))

    def read(self) -> list[DeadLetter]:
        """Return all letters of all apps, oldest first. Damaged lines are skipped."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return [letter for letter in map(_decode, content.splitlines()) if letter is not None]

    def replace(self, letters: Sequence[DeadLetter], taken: int) -> None:
        """Replace the oldest letters; newer ones stay.

        :param letters: the new letters.
        :param taken: how many of the oldest letters they replace.
        :raises OSError: the file could not be written; it is unchanged.
        """
        with self._locked():
            remaining = [*letters, *self.read()[taken:]]
            new = self.path.with_suffix(".new")
            new.unlink(missing_ok=True)
            if not remaining:
                self.path.unlink(missing_ok=True)
                return
            _append(new, remaining)
            new.rename(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(self._lock_path)
        try:
            if not lock.acquire(_LOCK_TIMEOUT):
                raise OSError(f"{self.path} is locked by another process, or not writable")
            yield
        finally:
            lock.release()


def _append(path: Path, letters: Iterable[DeadLetter]) -> None:
    content = b"".join(map(_encode, letters))
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size_before = os.fstat(descriptor).st_size
        try:
            write_whole(descriptor, content)
            os.fsync(descriptor)
        except OSError:
            # Half a letter would damage the next one. The records are sent to the chest again,
            # so none is lost.
            with suppress(OSError):
                os.ftruncate(descriptor, size_before)
            raise
    finally:
        os.close(descriptor)


def _encode(letter: DeadLetter) -> bytes:
    fields = {"reason": letter.reason, "app": letter.app, "store": letter.store}
    # The record's own bytes, at the end of the line where people see it.
    return b'%b,"record":%b}\n' % (orjson.dumps(fields)[:-1], letter.line)


def _decode(text: bytes) -> DeadLetter | None:
    try:
        content = orjson.loads(text)
        line = orjson.dumps(content["record"])
        app, store = str(content.get("app", "")), str(content.get("store", ""))
        return DeadLetter(str(content["reason"]), line, app, store)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
