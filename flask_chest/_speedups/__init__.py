"""The path of a request, compiled: an id, the start of a response, a record's line, its frame.

Each of these is in Python, too (``IdMaker``, ``RequestStart``, ``Tape``),
says the same there, and is what runs where this could not be built: without a compiler, on PyPy, on
a Python without the GIL. What is not the common case is left to Python by all of it; here is no
rule of its own. ``tests/speedups/`` holds the two side by side.

Why in C: a request runs through these lines once, so that a processor has hardly seen them.
Compiled, it costs two thirds of what it costs in Python (``docs/performance.rst``).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

try:
    #: What was compiled; ``None`` where it was not.
    speed: Any = import_module(f"{__name__}._speed")
except ImportError:
    speed = None
