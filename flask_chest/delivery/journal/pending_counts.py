"""Counts the records in segments: how many are pending for a chest."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..durable_files import read_json
from .file_names import counts_path, segment_numbers, segment_path
from .page_reader import CHUNK_BYTES, read_chunk

# This cannot occur within a line of JSON: orjson writes no space between values, and a quotation
# mark within a string is escaped. The eight characters before it are the mask.
_HEADER_END = b' {"id":'
_MASK_DIGITS = 8


def count_from(folder: Path, segment: int, offset: int, bit: int) -> int:
    """Return how many records for a chest follow a position.

    :param folder: the writer's folder.
    :param segment: the number of the segment.
    :param offset: the offset in that segment.
    :param bit: the chest's bit in a record's mask.
    """
    total = 0
    for number in segment_numbers(folder):
        if number >= segment:
            total += count_in(folder, number, offset if number == segment else 0, bit)
    return total


def count_in(folder: Path, number: int, offset: int, bit: int) -> int:
    """Return how many records for a chest one segment has from an offset on."""
    masks = (_saved_counts(folder, number) if not offset else None) or _count(
        folder, number, offset
    )
    return sum(count for mask, count in masks.items() if mask >> bit & 1)


def _saved_counts(folder: Path, number: int) -> Counter[int] | None:
    """Return the counts that the writer saved for a full segment."""
    content = read_json(counts_path(folder, number))
    if content is None:
        return None
    return Counter({int(mask, 16): int(count) for mask, count in content["counts"].items()})


def _count(folder: Path, number: int, offset: int) -> Counter[int]:
    path = segment_path(folder, number)
    digits: Counter[bytes] = Counter()
    carried = b""
    # In chunks: split() holds the GIL, and request threads must be able to run meanwhile.
    while data := read_chunk(path, offset, CHUNK_BYTES):
        offset += len(data)
        *heads, carried = (carried + data).split(_HEADER_END)
        digits.update(head[-_MASK_DIGITS:] for head in heads)
        carried = carried[-(_MASK_DIGITS + len(_HEADER_END)) :]
    return Counter({int(each, 16): n for each, n in digits.items() if _is_mask(each)})


def _is_mask(digits: bytes) -> bool:
    return len(digits) == _MASK_DIGITS and not digits.translate(None, b"0123456789abcdef")
