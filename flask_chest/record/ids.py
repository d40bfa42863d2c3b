"""Ids of records and requests."""

from __future__ import annotations

import os
import re
import secrets
from itertools import count
from struct import Struct
from typing import TYPE_CHECKING

from .._speedups import speed

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
# Later versions may add fields, version 00 has none.
_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
_NO_TRACE = "0" * 32

#: A request id made by the app is cut to so many characters.
MAX_REQUEST_ID = 255

_VARIANT = 2 << 62

_two_words = Struct(">QQ").pack


class IdMaker:
    """Makes UUIDs of version 7, as 32 hexadecimal digits, unique within a process by a counter.

    Between processes they differ by 61 random bits, drawn when a process makes its first one. That
    is seen by its pid: a fork made by uWSGI is not told to Python.
    https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
    """

    def __init__(self) -> None:
        self._pid = 0
        self._numbers = count()

    def make(self, microseconds: int) -> str:
        """The id of something that began then.

        :param microseconds: since 1970 UTC. Their fraction of a millisecond is in the id too, so
            that ids of one process sort by time to about a quarter of a microsecond.
        """
        if self._pid != os.getpid():
            # The highest bits are the variant; one random bit less leaves room to count.
            self._numbers = count(_VARIANT | secrets.randbits(61))
            self._pid = os.getpid()
        # 48 bits of milliseconds, the version, 12 bits of their fraction.
        time = microseconds // 1000 << 16 | 0x7000 | microseconds % 1000 * 4096 // 1000
        return _two_words(time, next(self._numbers)).hex()


if not TYPE_CHECKING and speed is not None:
    IdMaker = speed.IdMaker


def accepted_request_id(header: str) -> str | None:
    """A caller's request id, where it is one that is safe to log, to store and to echo."""
    return header if _REQUEST_ID.fullmatch(header) else None


def made_request_id(made: object) -> str:
    """What an app's generator returned, as text of at most 255 characters."""
    return str(made)[:MAX_REQUEST_ID]


def trace_id(traceparent: str) -> str | None:
    """The trace id of a W3C ``traceparent`` header."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match[1] if match and match[1] != _NO_TRACE else None
