"""Types of the C module; :mod:`flask_chest._speedups._python` documents the same names."""

from collections.abc import Callable
from typing import Any

from _typeshed.wsgi import StartResponse, WSGIEnvironment

from ._python import RequestIdSource

def current_process() -> int: ...

class IdMaker:
    def make(self, microseconds: int, /) -> str: ...

class RequestStart:
    ids: IdMaker
    validate_request_id: Callable[[str], str | None]
    parse_status: Callable[[str], int | None]

    recorder: RequestIdSource
    environ: WSGIEnvironment
    id: str
    request_id: str
    time: int
    started: float
    g: Any
    g_at_teardown: Any
    response: Any
    error: BaseException | None
    inner_error: BaseException | None
    measurements: Any
    status: int | None
    encoding: Any
    id_generated: bool
    echo_request_id: bool
    start_unknown: bool
    recorded: bool | str

    def __init__(
        self, recorder: RequestIdSource, environ: WSGIEnvironment, start_response: StartResponse, /
    ) -> None: ...
    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]: ...
    def fast_line(
        self,
        names: tuple[str, ...] | None,
        plain_key_sets: set[tuple[str, ...]],
        max_text: int,
        suffix: bytes,
        max_bytes: int,
        /,
    ) -> bytes | None: ...

class SegmentAppender:
    descriptor: int
    size: int
    limit: int
    full: bool
    counts: dict[int, int]

    def append(self, line: bytes, mask: int, /) -> bool: ...
