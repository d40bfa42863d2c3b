"""Dead letters: records that a chest will never accept, stored as JSON lines with the reason."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

import orjson

from .._throttle import LogThrottle
from ..errors import ChestError
from .durable_files import write_whole
from .file_lock import FileLock
from .file_ownership import check_root, create_folder, create_root, open_or_create, random_name
from .journal.app_scope import JournalScope
from .journal.ledger_of_all_processes import add_to_totals
from .ledger import Ledger

_logger = logging.getLogger("flask_chest.delivery")
_log = LogThrottle(_logger)

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
    :raises ChestError: they cannot be read; none may be reported as erased then.
    """
    try:
        paths = list((root / "dead").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ChestError(
            f"the dead letters cannot be read: {error}; run this command as the app's user"
        ) from None
    return sorted(unquote(path.stem) for path in paths if path.suffix == ".ndjson")


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
        self._root = scope.root
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
            letters = (DeadLetter(reason, line, self._app, self._store) for line in lines)
            _append(self.path, b"".join(map(_encode, letters)))

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
            if not remaining:
                self.path.unlink(missing_ok=True)
                return
            self._replace_file(b"".join(map(_encode, remaining)))

    def _replace_file(self, content: bytes) -> None:
        new = random_name(self.path)
        try:
            _append(new, content)
            new.rename(self.path)
        except OSError:
            with suppress(OSError):
                new.unlink()
            raise

    def trim(self, max_bytes: int) -> Counter[str]:
        """Drop the oldest letters if all of them take more than a limit.

        :param max_bytes: the limit; a quarter of it is then free again.
        :returns: the number of dropped letters by app.
        :raises OSError: the file could not be written; it is unchanged.
        """
        if not self.path.exists() or self.path.stat().st_size <= max_bytes:
            return Counter()
        # A replay puts back what it could not send by position.
        if not self.replay_lock.try_acquire():
            return Counter()
        try:
            with self._locked():
                return self._drop_oldest(max_bytes * 3 // 4)
        finally:
            self.replay_lock.release()

    def _drop_oldest(self, keep: int) -> Counter[str]:
        dropped: Counter[str] = Counter()
        with self.path.open("rb") as file:
            while self.path.stat().st_size - file.tell() > keep:
                letter = _decode(file.readline())
                if letter is not None:
                    dropped[letter.app] += 1
            self._replace_file(file.read())
        return dropped

    @contextmanager
    def _locked(self) -> Iterator[None]:
        create_root(self._root)
        check_root(self._root)
        with suppress(FileExistsError):
            create_folder(self.path.parent)
        lock = FileLock(self._lock_path)
        try:
            if not lock.acquire(_LOCK_TIMEOUT):
                raise OSError(f"{self.path} is locked by another process")
            yield
        finally:
            lock.release()


def bury(
    scope: JournalScope, chest: str, lines: Sequence[bytes], reason: str, max_bytes: int
) -> None:
    """Store rejected records as dead letters, within a size limit.

    :param scope: the app and its journal.
    :param chest: the chest that rejected them.
    :param lines: the encoded records.
    :param reason: why they were rejected.
    :param max_bytes: the limit for all dead letters of the chest; above it the oldest are dropped,
        and counted as lost.
    :raises OSError: they could not be stored.
    """
    letters = DeadLetters(scope, chest)
    letters.add(lines, reason)
    try:
        for app, count in letters.trim(max_bytes).items():
            _log.warning(
                "trimmed",
                "chest %r: %d dead letters are lost: they took more than CHEST_BUFFER_MAX_BYTES; "
                "find out why the store rejects records, then run flask chest replay",
                chest,
                count,
            )
            change = Ledger()
            account = change.account(chest)
            account.rejected, account.lost["dead_letters"] = -count, count
            add_to_totals(replace(scope, app_name=app or scope.app_name), change)
    except OSError as error:
        # The new letters are stored; an error would have the records sent again.
        _log.warning("trim", "%s cannot be trimmed: %s", letters.path, error)


def _append(path: Path, content: bytes) -> None:
    descriptor = open_or_create(path, os.O_WRONLY | os.O_APPEND)
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
