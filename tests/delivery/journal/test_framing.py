"""Frames: what is damaged is lost, and nothing else."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chest.delivery.journal.damaged_records import iter_frames
from flask_chest.delivery.journal.framing import Frame

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
def test_what_was_packed_is_unpacked(lines: list[bytes], mask: int) -> None:
    """Lines and masks come back as they went in, and nothing is left over."""
    data = b"".join(pack(line, mask) for line in lines)
    frames = list(iter_frames(data))
    assert [(frame.line, frame.mask) for frame in frames] == [(line, mask) for line in lines]
    assert frames[-1].end == len(data)


@given(LINES, st.data())
def test_a_journal_that_ends_anywhere_gives_all_whole_frames(
    lines: list[bytes], data: st.DataObject
) -> None:
    """Cut at any byte, every frame before the cut is there, and the torn one is not."""
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
    """Whichever bit is flipped, all other records are found, and the damage counts as one."""
    packed = [pack(line, 1) for line in [*lines, b'{"last":1}']]
    journal = bytearray(b"".join(packed))
    victim = data.draw(st.integers(0, len(lines) - 1))
    start = sum(map(len, packed[:victim]))
    offset = data.draw(st.integers(start, start + len(packed[victim]) - 1))
    journal[offset] ^= 1 << data.draw(st.integers(0, 7))

    frames = list(iter_frames(bytes(journal)))

    # Some bits mean nothing: the space behind the mask, the case of a hexadecimal digit.
    everything = [*lines, b'{"last":1}']
    others = [line for number, line in enumerate(everything) if number != victim]
    assert whole(frames) in (others, everything)
    assert len(frames) == len(everything)


def test_a_torn_frame_does_not_swallow_the_next() -> None:
    """A frame that a full disk cut short is skipped even though no newline ends it."""
    torn = pack(b'{"id":"torn"}', 1)[:-8]
    frames = list(iter_frames(torn + pack(b'{"id":"next"}', 1)))
    assert [frame.line for frame in frames] == [None, b'{"id":"next"}']


def test_a_changed_mask_is_noticed() -> None:
    """The checksum covers the mask: a record never goes to a chest it was not meant for."""
    frame = bytearray(pack(b'{"id":1}', 1))
    frame[21:22] = b"3"
    assert list(iter_frames(bytes(frame))) == []


@pytest.mark.parametrize("rubbish", [b"", b"\n", b"0" * 22 + b" {", b"\x00" * 5000])
def test_rubbish_is_no_frame(rubbish: bytes) -> None:
    """Bytes that are no frame yield nothing, and end."""
    assert list(iter_frames(rubbish)) == []
