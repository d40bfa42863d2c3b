"""Dead letters: records that a chest will never accept, kept as JSON lines with the reason."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import orjson

from .files import FileLock


class Letter(NamedTuple):
    """One dead letter: why it was rejected, and the encoded record."""

    reason: str
    line: bytes


class DeadLetters:
    """The dead letters of one chest, in ``dead/<chest>.ndjson``.

    :param root: the journal's folder.
    :param chest: the chest's name.
    """

    def __init__(self, root: Path, chest: str) -> None:
        # A chest's name is the user's word: it must not lead out of the folder.
        name = re.sub(r"^\.", "_", quote(chest, safe=" "))
        self.path = root / "dead" / f"{name}.ndjson"
        self._lock_path = root / "dead" / f"{name}.lock"

    def add(self, lines: Sequence[bytes], reason: str) -> None:
        """Keep records with the reason.

        :raises OSError: they could not be kept.
        """
        with self._locked():
            self._append(Letter(reason, line) for line in lines)

    def read(self) -> list[Letter]:
        """All letters, oldest first; a damaged line is left out."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return [letter for letter in map(_letter, content.splitlines()) if letter is not None]

    def replace(self, letters: Sequence[Letter], taken: int) -> None:
        """Put letters in the place of the ``taken`` oldest ones; later ones stay."""
        with self._locked():
            later = self.read()[taken:]
            self.path.unlink(missing_ok=True)
            if letters or later:
                self._append([*letters, *later])

    def _append(self, letters: Iterable[Letter]) -> None:
        content = b"".join(
            b'{"reason":%b,"record":%b}\n' % (orjson.dumps(letter.reason), letter.line)
            for letter in letters
        )
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(self._lock_path)
        lock.acquire(wait=True)
        try:
            yield
        finally:
            lock.release()


def _letter(text: bytes) -> Letter | None:
    try:
        content = orjson.loads(text)
        return Letter(str(content["reason"]), orjson.dumps(content["record"]))
    except (ValueError, KeyError, TypeError):
        return None
