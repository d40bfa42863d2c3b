"""Checks for the heartbeat: their messages, their registry, and the built-in checks."""

from __future__ import annotations

from .builtin import (
    check_database_connected,
    check_migrations_applied,
    check_redis_connected,
)
from .messages import (
    CRITICAL,
    DEBUG,
    ERROR,
    INFO,
    STATUSES,
    WARNING,
    CheckMessage,
    Critical,
    Debug,
    Error,
    Info,
    Warning,  # noqa: A004 - the name that users write
    level_to_text,
)
from .registry import clear_checks, get_checks, register, register_partial
from .results import ChecksResults, run_checks

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "INFO",
    "STATUSES",
    "WARNING",
    "CheckMessage",
    "ChecksResults",
    "Critical",
    "Debug",
    "Error",
    "Info",
    "Warning",
    "check_database_connected",
    "check_migrations_applied",
    "check_redis_connected",
    "clear_checks",
    "get_checks",
    "level_to_text",
    "register",
    "register_partial",
    "run_checks",
]
