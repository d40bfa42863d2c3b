"""A loss of power, stood in for by a copy of what was brought to the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import BinaryIO

import pytest

from flask_chest.delivery.journal.buffer import JournalBuffer
from flask_chest.delivery.journal.scope import JournalScope

from .test_damage import FRESH, deliver, ignore

# Whole processes and large journals: too long for the fast tests.
pytestmark = pytest.mark.server


class Platter:
    """What of a folder would survive a loss of power.

    A file keeps what was in it when it was last synced. Its name survives when the file or its
    folder was synced since: so do ext4 and XFS.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root.resolve()
        self._synced: dict[int, bytes] = {}
        # While a file is open, no other gets its number.
        self._open: dict[int, BinaryIO] = {}
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._sync)

    def survive(self, target: Path) -> None:
        """Copy what survives."""
        for path in self._root.rglob("*"):
            copy = target / path.relative_to(self._root)
            if path.is_dir():
                copy.mkdir(parents=True, exist_ok=True)
            elif (content := self._synced.get(path.stat().st_ino)) is not None:
                copy.write_bytes(content)

    def _sync(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}")
        # Not what is made of a copy.
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


def test_what_was_synced_is_delivered_from_what_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any moment: all that was synced arrives, nothing that was committed comes again."""
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
