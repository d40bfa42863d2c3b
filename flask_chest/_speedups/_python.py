"""The request path in pure Python: used if the C module could not be compiled."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from struct import Struct
from typing import TYPE_CHECKING, Any, Protocol
from zlib import crc32

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: A number that differs between a process and its ancestors; read once for each request.
current_process = os.getpid

_VARIANT = 2 << 62

_two_words = Struct(">QQ").pack


class IdMaker:
    """Makes UUIDs of version 7, as 32 hexadecimal digits, unique within a process by a counter.

    Ids of different processes differ by 61 random bits, which a process draws for its first id.
    A change of the process id shows that the process is new: uWSGI forks without Python's fork
    hooks. https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
    """

    def __init__(self) -> None:
        self._pid = 0
        self._numbers = count()

    def make(self, microseconds: int) -> str:
        """Return the id of a request, command or job.

        :param microseconds: when it began, since 1970 UTC. The id contains the fraction of the
            millisecond too, so ids of one process sort by time to about a quarter of a microsecond.
        """
        if self._pid != os.getpid():
            # The highest bits are the variant. One random bit less leaves room to count.
            self._numbers = count(_VARIANT | secrets.randbits(61))
            self._pid = os.getpid()
        # A test may have frozen the clock before 1970.
        microseconds = max(microseconds, 0)
        # 48 bits of milliseconds, the version, 12 bits of their fraction.
        high = microseconds // 1000 << 16 | 0x7000 | microseconds % 1000 * 4096 // 1000
        return _two_words(high, next(self._numbers)).hex()


class RequestIdSource(Protocol):
    """The parts of the recorder that a starting request reads."""

    request_id_header: str
    request_id_header_lower: str
    request_id_environ_key: str
    request_id_generator: Callable[[], str] | None

    def generate_request_id(self, state: Any, generator: Callable[[], str]) -> None:
        """Set ``state.request_id`` with the app's generator."""


class RequestStart:
    """The start of a request, the start of its response, and its state in between.

    A subclass adds :attr:`ids`, :meth:`validate_request_id` and :meth:`parse_status`.

    :param recorder: the recorder of the request's app.
    :param environ: the WSGI environment.
    :param start_response: the server's ``start_response``.
    """

    ids: IdMaker
    validate_request_id: Callable[[str], str | None]
    parse_status: Callable[[str], int | None]

    # Class attributes: the values of a request at its start.
    g: Any = None
    g_at_teardown: Any = None
    response: Any = None
    error: BaseException | None = None
    #: The exception that ended an inner app's request with the same environment. That request has
    #: its own record.
    inner_error: BaseException | None = None
    status: int | None = None
    encoding: Any = None
    #: What the request has measured of itself, e.g. its spans; see ``capture/measurements.py``.
    measurements: Any = None
    #: A decorator's generator was called for the request id.
    id_generated = False
    #: Whether the request id can be sent back.
    echo_request_id = True
    #: The request was first noticed after its start, so its duration is unknown.
    start_unknown = False
    #: The record was written elsewhere, or must not be written.
    recorded: bool | str = False

    def __init__(
        self, recorder: RequestIdSource, environ: WSGIEnvironment, start_response: StartResponse
    ) -> None:
        self.recorder = recorder
        self.environ = environ
        self.started = float(time.perf_counter())
        # A test library may have frozen the clock to a float.
        self.time = int(time.time_ns()) // 1000
        self.id = self.ids.make(self.time)
        self._server = start_response
        sent = environ.get(recorder.request_id_environ_key)
        accepted = None if sent is None else self.validate_request_id(sent)
        self.request_id = accepted or self.id
        if accepted is None and recorder.request_id_generator is not None:
            recorder.generate_request_id(self, recorder.request_id_generator)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        """Pass the start of the response on to the server, with the request id as a header."""
        self.status = self.parse_status(status)
        if self.echo_request_id:
            with suppress(Exception):  # the server judges headers that are wrong
                headers = self._with_request_id(headers)
        if exc_info is None:
            return self._server(status, headers)
        return self._server(status, headers, exc_info)

    def _with_request_id(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        recorder = self.recorder
        wanted = recorder.request_id_header_lower
        # Not changed in place: an app below a dispatcher may send the same list each time.
        more = list(headers)
        for header in more:
            name = header[0]
            if isinstance(name, str) and name.lower() == wanted:
                return headers if isinstance(headers, list) else more
        more.append((recorder.request_id_header, self.request_id))
        return more

    def fast_line(
        self,
        names: tuple[str, ...] | None,
        plain_key_sets: set[tuple[str, ...]],
        max_text: int,
        suffix: bytes,
        max_bytes: int,
    ) -> bytes | None:
        """Return the encoded line of a common record, or ``None`` to leave it to the encoder.

        :param names: the variables to track; ``None`` for all.
        :param plain_key_sets: tuples of names that are all stored if they are on ``g`` together.
        :param max_text: characters of a text that fits in any case.
        :param suffix: the encoded fields that are the same for all records of the route.
        :param max_bytes: bytes of a record.
        """
        return None  # in Python this would be no faster than the encoder


class SegmentAppender:
    """An open file of a journal, to which records are appended and counted."""

    __slots__ = ("counts", "descriptor", "full", "limit", "size")

    descriptor: int
    #: Bytes that were written.
    size: int
    #: The size, in bytes, from which on the file is full.
    limit: int
    full: bool
    #: Number of records by mask. Changed without a lock: the GIL is not released within ``+=``.
    counts: dict[int, int]

    def append(self, line: bytes, mask: int) -> bool:
        """Write one record with one system call.

        :param line: the encoded record.
        :param mask: a bit for each chest that gets the record.
        :returns: ``False`` if the system took only a part of the record.
        :raises OSError: the system took nothing.
        """
        # The format is described in delivery/journal/record_framing.py.
        frame = b"%08x%06x%08x %b\n" % (crc32(line, mask), len(line), mask, line)
        written = os.write(self.descriptor, frame)
        self.size += written
        self.full = self.size >= self.limit
        if written != len(frame):
            return False
        self.counts[mask] += 1
        return True
