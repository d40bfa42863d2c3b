"""The memory buffer: pages, overflow and exit."""

from __future__ import annotations

from collections import Counter

from flask_chest.delivery.memory_buffer import MemoryBuffer


class Losses(Counter[tuple[str, str]]):
    def __call__(self, chest: str, reason: str, count: int) -> None:
        self[chest, reason] += count


def test_each_chest_reads_at_its_own_pace() -> None:
    """Each chest gets all records in order, independently of the other chests."""
    buffer = MemoryBuffer(["one", "two"], 10_000, Losses())
    for number in range(5):
        buffer.append(b"%d" % number, 0b11)
    page = buffer.read("one", 3)
    assert page is not None
    assert page.lines == [b"0", b"1", b"2"]
    buffer.commit("one", page, delivered=2, rejected=1)
    account = buffer.ledger().account("one")
    assert (account.delivered, account.rejected, account.pending) == (2, 1, 2)
    assert buffer.ledger().account("two").pending == 5


def test_an_uncommitted_page_is_read_again() -> None:
    """Records that a chest did not accept are read again, also in smaller pages."""
    buffer = MemoryBuffer(["one"], 10_000, Losses())
    for number in range(4):
        buffer.append(b"%d" % number, 1)
    first, smaller = buffer.read("one", 4), buffer.read("one", 2)
    assert first is not None
    assert smaller is not None
    assert smaller.lines == first.lines[:2]


def test_the_oldest_records_are_dropped_over_the_limit() -> None:
    """Dropped records count as lost, and the listener is called."""
    losses = Losses()
    buffer = MemoryBuffer(["one"], 100, losses)
    for number in range(20):
        buffer.append(b"%010d" % number, 1)
    page = buffer.read("one", 100)
    assert page is not None
    assert page.lines == [b"%010d" % number for number in range(10, 20)]
    account = buffer.ledger().account("one")
    assert account.captured == 20
    assert losses == {("one", "overflow"): 10}


def test_undelivered_records_are_lost_at_exit() -> None:
    """Records that wait when the buffer is closed count as lost."""
    losses = Losses()
    buffer = MemoryBuffer(["one"], 1000, losses)
    buffer.append(b"1", 1)
    buffer.close()
    assert losses == {("one", "exit"): 1}
    assert buffer.ledger().account("one").captured == 1
