"""Cuts each file of a small journal at every byte, and flips every bit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.journal_buffer import JournalBuffer
from flask_chest.delivery.journal.ledger_of_all_processes import read_ledger

# Whole processes and large journals: too long for the fast tests.
pytestmark = pytest.mark.server

# The long run flips every bit; the short one every seventh, which reaches each bit of a byte.
STRIDE = 1 if "TORTURE_KILLS" in os.environ else 7
LINES = [b'{"id":"%d"}' % number for number in range(3)]
FRESH = b'{"id":"fresh"}'


class Small:
    """The journal of a process that was killed after it had delivered one of three records.

    :param root: the journal's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        killed = JournalBuffer(JournalScope(root, chests=("one",)), 2**20, ignore)
        for line in LINES:
            killed.append(line, 1)
        [source] = killed.sources()
        page = source.read("one", 1)
        assert page is not None
        source.commit("one", page, delivered=1, rejected=0)
        killed.after_fork_in_child()
        [self.folder] = [path.parent for path in root.glob("*/writer.json")]

    def copy(self, root: Path) -> Path:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(self.root, root)
        return root / self.folder.name


def ignore(chest: str, reason: str, count: int) -> None:
    """Ignore a loss; the tests read the ledger."""


def deliver(root: Path) -> list[bytes]:
    """Return the records that the next process delivers, apart from a record of its own."""
    journal = JournalBuffer(JournalScope(root, chests=("one",)), 2**20, ignore)
    journal.maintain()
    journal.append(FRESH, 1)
    found: list[bytes] = []
    for source in journal.sources():
        while page := source.read("one", 10):
            found += page.lines
            source.commit("one", page, delivered=len(page.lines), rejected=0)
    journal.close()
    journal = JournalBuffer(JournalScope(root, chests=("one",)), 2**20, ignore)
    journal.maintain()
    journal.close()
    assert found.pop(0 if found[0] == FRESH else -1) == FRESH
    return found


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    # These tests create thousands of journals, and simulate no power failure.
    monkeypatch.setattr(os, "fsync", _no_sync)
    monkeypatch.setattr(os, "fdatasync", _no_sync)
    return Small(tmp_path / "whole")


def _no_sync(descriptor: int) -> None:
    pass


def cuts(content: bytes) -> Iterator[bytes]:
    for length in range(len(content)):
        yield content[:length]


def flips(content: bytes) -> Iterator[bytes]:
    for bit in range(0, len(content) * 8, STRIDE):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def test_a_segment_that_is_cut_at_any_byte(small: Small, tmp_path: Path) -> None:
    """Whole and new records are delivered; the torn record counts as lost."""
    whole = (small.folder / "00000001.segment").read_bytes()
    ends = [whole.index(line) + len(line) + 1 for line in LINES]
    for content in cuts(whole):
        folder = small.copy(tmp_path / "cut")
        (folder / "00000001.segment").write_bytes(content)
        expected = [
            line for line, end in zip(LINES, ends, strict=True) if ends[0] < end <= len(content)
        ]
        assert deliver(folder.parent) == expected, len(content)
        account = read_ledger(JournalScope(folder.parent)).account("one")
        partly = len(content) > ends[0] and len(content) not in ends
        assert account.delivered == 1 + len(expected) + 1
        assert account.lost["damaged"] == partly, len(content)
        assert account.captured == account.delivered + account.lost.total()


def test_a_flipped_bit_costs_one_record(small: Small, tmp_path: Path) -> None:
    """Every other record is delivered, and the ledger counts all records."""
    whole = (small.folder / "00000001.segment").read_bytes()
    for number, content in enumerate(flips(whole)):
        folder = small.copy(tmp_path / "flipped")
        (folder / "00000001.segment").write_bytes(content)
        found = deliver(folder.parent)
        account = read_ledger(JournalScope(folder.parent)).account("one")
        assert set(found) <= set(LINES[1:]), number
        assert account.delivered == 1 + len(found) + 1, number
        assert account.lost.total() == 2 - len(found) <= 1, number
        assert account.captured == 4, number


@pytest.mark.parametrize(
    "name", ["writer.json", "writer.copy.json", "0.place", "alive.lock", "reader.lock"]
)
def test_damage_to_other_files_costs_no_record(small: Small, tmp_path: Path, name: str) -> None:
    """A damaged checkpoint sends one record again; the other files have no effect."""
    whole = (small.folder / name).read_bytes()
    for content in (b"", b"\0" * 5000, *cuts(whole), *flips(whole)):
        folder = small.copy(tmp_path / "damaged")
        (folder / name).write_bytes(content)
        found = deliver(folder.parent)
        assert found in (LINES[1:], LINES), (name, content)
        assert name == "0.place" or found == LINES[1:]
        account = read_ledger(JournalScope(folder.parent)).account("one")
        assert account.captured == 4, (name, content)


def test_damaged_totals_do_not_stop_delivery(small: Small, tmp_path: Path) -> None:
    """The totals only have numbers of the past, and start at zero again."""
    deliver(small.root)
    whole = (small.root / "ledger.json").read_bytes().rstrip()  # without the padding
    for content in (*cuts(whole), *flips(whole)):
        (small.root / "ledger.json").write_bytes(content)
        assert deliver(small.root) == []
        assert read_ledger(JournalScope(small.root)).account("one").captured == 1
    assert not list(tmp_path.glob("whole/*/*.segment"))
