"""The process that we are in."""

from __future__ import annotations

import os
from collections.abc import Callable

from ._speedups import speed

#: As ``os.getpid()``, for what each request asks.
current_pid: Callable[[], int] = os.getpid if speed is None else speed.current_pid
