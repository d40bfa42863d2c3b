"""Dockerflow for Flask: heartbeat, version, mozlog logging and request summaries."""

from __future__ import annotations

from . import checks, health, signals
from .extension import Dockerflow

__all__ = ["Dockerflow", "checks", "health", "signals"]
