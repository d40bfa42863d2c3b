"""Appending to a segment of the journal: C and Python do the same."""

from __future__ import annotations

import os
from collections import defaultdict
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

from flask_chest._speedups import SegmentAppender, _python
from flask_chest.delivery.journal.damaged_records import iter_frames

from .sides import opened

BOTH = (SegmentAppender, _python.SegmentAppender)


def test_appending(tmp_path: Path) -> None:
    """Both write the same bytes, and count the same."""
    lines = [b"{}", b'{"a":1}', b"x" * 4071, b"x" * 4072, b"x" * 4073, b"x" * 100_000]
    files: list[bytes] = []
    for number, appender in enumerate(BOTH):
        path = tmp_path / str(number)
        with opened(appender, path, 4000) as made:
            assert made.append(lines[0], 1) is True
            assert not made.full
            assert all(made.append(line, mask) for line in lines for mask in (1, 0b11, 2**32 - 1))
            assert made.full
            assert made.counts == {1: 7, 0b11: 6, 2**32 - 1: 6}
            assert made.size == path.stat().st_size
        files.append(path.read_bytes())
    assert files[0] == files[1]
    assert [frame.line for frame in iter_frames(files[0])][1::3] == lines


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk is full here")
def test_a_full_disk() -> None:
    """The system's error is raised, and nothing is counted."""
    for appender in BOTH:
        with opened(appender, Path("/dev/full")) as made:
            with pytest.raises(OSError, match="No space") as caught:
                made.append(b"{}", 1)
            assert caught.value.errno == ENOSPC
            assert (made.size, dict(made.counts)) == (0, {})


def test_a_part_of_a_record() -> None:
    """If only a part was written, ``append`` returns ``False``."""
    for appender in BOTH:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        made = appender()
        made.descriptor, made.size, made.limit, made.counts = writing, 0, 1 << 30, defaultdict(int)
        assert made.append(b"x" * 1_000_000, 1) is False
        assert 0 < made.size < 1_000_000
        assert not made.counts
        with pytest.raises(BlockingIOError):
            made.append(b"x", 1)
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            made.append(b"x", 1)
        os.close(writing)


def test_a_segment_that_is_not_open() -> None:
    """A segment that was never opened writes nowhere, not even to standard input."""
    made = SegmentAppender()
    assert made.descriptor == -1
    append: Any = made.append
    for arguments in [(), (b"x",), ("x", 1), (b"x", "1"), (b"x", 1, 2)]:
        with pytest.raises(TypeError):
            append(*arguments)
    made.counts = {}
    with pytest.raises(OSError, match="Bad file descriptor"):
        append(b"x", 1)
    for mask in (-1, 2**70):
        with pytest.raises(OverflowError):
            append(b"x", mask)
