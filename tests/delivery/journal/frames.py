"""Builds the bytes of records in a segment, independently of the code under test."""

from __future__ import annotations

from zlib import crc32


def pack(line: bytes, mask: int) -> bytes:
    """Return the bytes of one record.

    :param line: the encoded record.
    :param mask: a bit for each chest that receives it.
    """
    return b"%08x%06x%08x %b\n" % (crc32(line, mask), len(line), mask, line)
