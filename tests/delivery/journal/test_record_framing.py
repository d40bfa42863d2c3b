"""Frames: only damaged records are lost."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chest.delivery.journal.damaged_records import iter_frames
from flask_chest.delivery.journal.record_framing import Frame

from .frames import pack

LINES = st.lists(
    st.builds(
        lambda text: orjson.dumps({"id": text}), st.text(st.characters(codec="utf-8"), max_size=30)
    ),
    min_size=1,
    max_size=6,
)


def whole(frames: list[Frame]) -> list[bytes]:
    return [frame.line for frame in frames if frame.line is not None]


@given(LINES, st.integers(0, 2**32 - 1))
def test_packed_records_are_unpacked(lines: list[bytes], mask: int) -> None:
    """Lines and masks are unchanged, and the last frame ends at the end of the data."""
    data = b"".join(pack(line, mask) for line in lines)
    frames = list(iter_frames(data))
    assert [(frame.line, frame.mask) for frame in frames] == [(line, mask) for line in lines]
    assert frames[-1].end == len(data)


@given(LINES, st.data())
def test_a_segment_that_is_cut_at_any_byte(lines: list[bytes], data: st.DataObject) -> None:
    """All frames before the cut are read, and the torn one is not."""
    packed = [pack(line, 1) for line in lines]
    cut = data.draw(st.integers(0, sum(map(len, packed))))
    expected = []
    end = 0
    for line, frame in zip(lines, packed, strict=True):
        end += len(frame)
        if end <= cut:
            expected.append(line)
    assert whole(list(iter_frames(b"".join(packed)[:cut]))) == expected


@given(LINES, st.data())
def test_a_flipped_bit_costs_one_record(lines: list[bytes], data: st.DataObject) -> None:
    """All other records are found, and the damage counts as one record."""
    packed = [pack(line, 1) for line in [*lines, b'{"last":1}']]
    journal = bytearray(b"".join(packed))
    victim = data.draw(st.integers(0, len(lines) - 1))
    start = sum(map(len, packed[:victim]))
    offset = data.draw(st.integers(start, start + len(packed[victim]) - 1))
    journal[offset] ^= 1 << data.draw(st.integers(0, 7))

    frames = list(iter_frames(bytes(journal)))

    # Some bits have no meaning: the space behind the mask, the case of a hexadecimal digit.
    everything = [*lines, b'{"last":1}']
    others = [line for number, line in enumerate(everything) if number != victim]
    assert whole(frames) in (others, everything)
    assert len(frames) == len(everything)


def test_the_frame_behind_a_torn_one_is_read() -> None:
    """A frame that a full disk cut short is skipped although it has no newline."""
    torn = pack(b'{"id":"torn"}', 1)[:-8]
    frames = list(iter_frames(torn + pack(b'{"id":"next"}', 1)))
    assert [frame.line for frame in frames] == [None, b'{"id":"next"}']


def test_a_changed_mask_is_detected() -> None:
    """The checksum covers the mask: no chest receives a record that is not for it."""
    frame = bytearray(pack(b'{"id":1}', 1))
    frame[21:22] = b"3"
    assert list(iter_frames(bytes(frame))) == []


@pytest.mark.parametrize("other", [b"", b"\n", b"0" * 22 + b" {", b"\x00" * 5000])
def test_other_bytes_are_no_frame(other: bytes) -> None:
    """No frame is yielded, and the iteration ends."""
    assert list(iter_frames(other)) == []
