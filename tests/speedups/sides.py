"""Both implementations of the request path, compiled and in Python, and values to test them."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from flask_chest import _speedups
from flask_chest._speedups import _python
from flask_chest.capture.request_state import RequestState

#: The encoded fields that all records of a route share.
SUFFIX = b',"kind":"request","tags":{}}'
NOW = 1_790_000_000_123_456


def in_python(module: ModuleType) -> Any:
    """Return a copy of a module that uses the implementation in Python."""
    spec = find_spec(module.__name__)
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    names = ("IdMaker", "RequestStart", "SegmentAppender", "current_process")
    with patch.multiple(_speedups, **{name: getattr(_python, name) for name in names}):
        spec.loader.exec_module(made)
    return made


@contextmanager
def stopped(elapsed: float = 0.0) -> Iterator[None]:
    """Stop the clocks. The performance counter is later by ``elapsed`` from its second reading on.

    :param elapsed: seconds.
    """
    counter = iter([1000.0, *[1000.0 + elapsed] * 9])
    with (
        patch.object(time, "perf_counter", lambda: next(counter)),
        patch.object(time, "time_ns", lambda: NOW * 1000),
    ):
        yield


def recorder(**others: Any) -> Any:
    """Return the attributes that a request reads from its recorder."""
    return SimpleNamespace(
        request_id_environ_key="HTTP_X_REQUEST_ID",
        request_id_header_lower="x-request-id",
        request_id_header="X-Request-ID",
        **{"request_id_generator": None, **others},
    )


def begun(environ: dict[str, Any], server: Any = None, **others: Any) -> RequestState:
    """Return a request that has begun."""
    if server is None:
        server = print
    return RequestState(recorder(**others), environ, server)


@contextmanager
def opened(appender: Any, path: Path, limit: int = 1 << 20) -> Iterator[Any]:
    """Open a file with a class that appends to segments."""
    made = appender()
    made.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    made.size, made.limit, made.counts, made.full = 0, limit, defaultdict(int), False
    try:
        yield made
    finally:
        os.close(made.descriptor)
