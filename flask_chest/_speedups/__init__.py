"""Chooses the compiled request path, or pure Python if there is no compiled module.

The compiled module is missing without a C compiler, on PyPy and on a Python without the GIL.
Both modules have the same names and return the same results; ``tests/speedups/`` compares them.
The C code handles the common cases only and leaves all others to Python, so it holds no rule of
its own.

Each request runs through this code once, with cold processor caches. Compiled, it costs two thirds
of what it costs in Python (``docs/performance.rst``).
"""

from __future__ import annotations

try:
    from . import _compiled as _chosen
except ImportError:
    from . import _python as _chosen  # type: ignore[no-redef]

__all__ = ["COMPILED", "IdMaker", "RequestStart", "SegmentAppender", "current_process"]

IdMaker = _chosen.IdMaker
RequestStart = _chosen.RequestStart
SegmentAppender = _chosen.SegmentAppender
current_process = _chosen.current_process

#: Whether the compiled module is in use.
COMPILED = _chosen.__name__.endswith("._compiled")
