"""Runs checks, logs their messages and summarizes them for the heartbeat."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..safe_json import safe_str
from .messages import CheckMessage, level_to_text
from .registry import CheckFn
from .runner import DEFAULT_TIMEOUT, CheckRunner, Context, Findings

# python-dockerflow's name, which logging configurations use.
logger = logging.getLogger("dockerflow.checks.registry")


@dataclass(frozen=True, slots=True)
class ChecksResults:
    """The results of one run of checks.

    :param details: for each check with messages: ``status``, ``level`` and ``messages`` by id.
    :param statuses: for each check, the word for its highest level.
    :param level: the highest level of all messages; 0 without messages.

    .. versionadded:: 1.0
    """

    details: dict[str, dict[str, Any]]
    statuses: dict[str, str]
    level: int


def run_checks(
    checks: Iterable[tuple[str, CheckFn]],
    silenced_check_ids: Collection[str] | None = None,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    context: Context = contextlib.nullcontext,
) -> ChecksResults:
    """Run checks at the same time, log their messages, and return the results.

    :param checks: names and checks, e.g. ``get_checks().items()``.
    :param silenced_check_ids: ids of messages to ignore.
    :param timeout: seconds that a check may take.
    :param context: entered around each check in its thread, e.g. ``app.app_context``.

    .. versionadded:: 1.0
    """
    return summarize(CheckRunner().run(checks, timeout, context), silenced_check_ids or ())


def summarize(found: Mapping[str, Findings], silenced: Collection[str]) -> ChecksResults:
    """Log each message that is not silenced, at its level, and return the results."""
    details, statuses, highest = {}, {}, 0
    for name, findings in found.items():
        messages = [message for message in findings if message.id not in silenced]
        for message in messages:
            _log(message)
        level = max((message.level for message in messages), default=0)
        statuses[name] = level_to_text(level)
        highest = max(highest, level)
        if level > 0:
            details[name] = {
                "status": level_to_text(level),
                "level": level,
                "messages": _by_id(name, messages),
            }
    return ChecksResults(details=details, statuses=statuses, level=highest)


def _log(message: CheckMessage) -> None:
    subject = getattr(message, "obj", None)
    error = subject if isinstance(subject, BaseException) else None
    logger.log(message.level, "%s: %s", message.id, safe_str(message.msg), exc_info=error)


def _by_id(name: str, messages: Iterable[CheckMessage]) -> dict[str, str]:
    """Return texts by id; a message without an id gets the name of its check."""
    by_id: dict[str, str] = {}
    for message in messages:
        key = safe_str(message.id or name)
        text = safe_str(message.msg)
        by_id[key] = f"{by_id[key]}; {text}" if key in by_id else text
    return by_id
