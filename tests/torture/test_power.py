"""A power failure, simulated by a copy of the fsynced data."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

import pytest

from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.journal_buffer import JournalBuffer

from .test_damage import FRESH, deliver, ignore

# Whole processes and large journals: too long for the fast tests.
pytestmark = pytest.mark.server


class Platter:
    """Knows which data of a folder would survive a power failure.

    A file has the content of its last fsync. Its name survives if the file or its folder was
    fsynced since, as on ext4 and XFS.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root.resolve()
        self._synced: dict[int, bytes] = {}
        # While a file is open, no other file gets its inode number.
        self._open: dict[int, BinaryIO] = {}
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._sync)

    def survive(self, target: Path) -> None:
        """Copy the surviving data to a folder."""
        for path in self._root.rglob("*"):
            copy = target / path.relative_to(self._root)
            if path.is_dir():
                copy.mkdir(parents=True, exist_ok=True)
            elif (content := self._synced.get(path.stat().st_ino)) is not None:
                copy.write_bytes(content)

    def _sync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}")
        # Files of the copies do not count.
        if path.is_file() and path.resolve().is_relative_to(self._root):
            number = os.fstat(descriptor).st_ino
            if number not in self._open:
                self._open[number] = path.open("rb")
            self._synced[number] = path.read_bytes()

    def close(self) -> None:
        for each in self._open.values():
            each.close()


def line(number: int) -> bytes:
    return b'{"id":"%032x","filling":"%0200d"}' % (number, number)


def test_fsynced_records_survive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any moment all fsynced records are delivered, and no committed one is sent again."""
    platter = Platter(tmp_path / "journal", monkeypatch)
    journal = JournalBuffer(JournalScope(tmp_path / "journal", chests=("one",)), 128 * 1024, ignore)
    committed = 0
    for moment in range(30):
        for number in range(moment * 20, moment * 20 + 20):
            journal.append(line(number), 1)
        if moment % 3 == 1:
            journal.maintain()
            synced = moment * 20 + 20
        if moment % 7 == 3:
            [source] = journal.sources()
            page = source.read("one", 50)
            assert page is not None
            source.commit("one", page, delivered=len(page.lines), rejected=0)
            committed += len(page.lines)
        if moment < 1:
            continue
        survivor = tmp_path / "survivor"
        shutil.rmtree(survivor, ignore_errors=True)
        platter.survive(survivor)
        found = deliver(survivor)
        assert FRESH not in found
        assert found[: synced - committed] == [line(n) for n in range(committed, synced)]
        assert len(set(found)) == len(found)
    journal.close()
    platter.close()
