"""The two sides: what was compiled, and what is in Python; and what both are given."""

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

from flask_chest import _speedups as compiled
from flask_chest.capture.request_state import RequestState

#: What records of a route share.
REST = b',"kind":"request","tags":{}}'
NOW = 1_790_000_000_123_456


def in_python(module: ModuleType) -> Any:
    """A module of ours as it is where nothing was compiled."""
    spec = find_spec(module.__name__)
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    with patch.object(compiled, "speed", None):
        spec.loader.exec_module(made)
    return made


@contextmanager
def stopped(elapsed: float = 0.0) -> Iterator[None]:
    """The clocks stand still, the second time they are read, so much later."""
    counter = iter([1000.0, *[1000.0 + elapsed] * 9])
    with (
        patch.object(time, "perf_counter", lambda: next(counter)),
        patch.object(time, "time_ns", lambda: NOW * 1000),
    ):
        yield


def recorder(**others: Any) -> Any:
    """What a request asks of who records it."""
    return SimpleNamespace(
        request_id_key="HTTP_X_REQUEST_ID",
        request_id_lower="x-request-id",
        request_id_header="X-Request-ID",
        **{"request_id_generator": None, **others},
    )


def begun(environ: dict[str, Any], server: Any = None, **others: Any) -> RequestState:
    """A request that has begun."""
    if server is None:
        server = print
    return RequestState(recorder(**others), environ, server)


@contextmanager
def opened(module: Any, path: Path, limit: int = 1 << 20) -> Iterator[Any]:
    """A tape on a file."""
    made = module.Tape()
    made.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    made.size, made.limit, made.counts, made.full = 0, limit, defaultdict(int), False
    try:
        yield made
    finally:
        os.close(made.descriptor)
