"""Dead letters: records that a chest will never accept, kept as JSON lines with the reason."""

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

# Who holds the lock is done in milliseconds, unless it was stopped.
_PATIENCE = 1.0


class DeadLetter(NamedTuple):
    """One dead letter.

    :param reason: why it was rejected.
    :param line: the encoded record.
    :param app: whose it is; others may share the folder. Empty where that is not known.
    :param store: where the chest was that rejected it; empty where that is not known.
    """

    reason: str
    line: bytes
    app: str = ""
    store: str = ""

    def is_of(self, app: str) -> bool:
        """Whether it is an app's to be dealt with."""
        return self.app in ("", app)


def chests_with_letters(root: Path) -> list[str]:
    """The names of all chests that have dead letters, also of those that are there no more.

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
        # A chest's name is the user's word: it must not lead out of the folder.
        name = re.sub(r"^\.", "_", quote(chest, safe=" "))
        folder = scope.root / "dead"
        self.path = folder / f"{name}.ndjson"
        self._lock_path = folder / f"{name}.lock"
        #: Held by whoever sends them again.
        self.replaying = FileLock(folder / f"{name}.replay.lock")

    def add(self, lines: Sequence[bytes], reason: str) -> None:
        """Keep records with the reason.

        :raises OSError: they could not be kept.
        """
        with self._locked():
            _append(self.path, (DeadLetter(reason, line, self._app, self._store) for line in lines))

    def read(self) -> list[DeadLetter]:
        """All letters, of all apps, oldest first; a damaged line is left out."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return [letter for letter in map(_letter, content.splitlines()) if letter is not None]

    def replace(self, letters: Sequence[DeadLetter], taken: int) -> None:
        """Put letters in the place of the ``taken`` oldest ones; later ones stay.

        :raises OSError: that failed, and all are as they were.
        """
        with self._locked():
            left = [*letters, *self.read()[taken:]]
            new = self.path.with_suffix(".new")
            new.unlink(missing_ok=True)
            if not left:
                self.path.unlink(missing_ok=True)
                return
            _append(new, left)
            new.rename(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(self._lock_path)
        try:
            if not lock.acquire(_PATIENCE):
                raise OSError(f"{self.path} is locked by another process, or not writable")
            yield
        finally:
            lock.release()


def _append(path: Path, letters: Iterable[DeadLetter]) -> None:
    content = b"".join(map(_to_text, letters))
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        try:
            write_whole(descriptor, content)
            os.fsync(descriptor)
        except OSError:
            # Half a letter would spoil the next one; all are sent to the chest again.
            with suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)


def _to_text(letter: DeadLetter) -> bytes:
    told = {"reason": letter.reason, "app": letter.app, "store": letter.store}
    # The record as it is, for a reader to find it at the end.
    return b'%b,"record":%b}\n' % (orjson.dumps(told)[:-1], letter.line)


def _letter(text: bytes) -> DeadLetter | None:
    try:
        content = orjson.loads(text)
        line = orjson.dumps(content["record"])
        whose = str(content.get("app", "")), str(content.get("store", ""))
        return DeadLetter(str(content["reason"]), line, *whose)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
