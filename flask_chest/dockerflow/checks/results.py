"""From what the checks found to what the heartbeat says and logs."""

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

# The name that logging configurations know from python-dockerflow.
logger = logging.getLogger("dockerflow.checks.registry")


@dataclass(frozen=True, slots=True)
class ChecksResults:
    """What a run of checks found.

    :param details: for each check with findings: ``status``, ``level`` and ``messages`` by id.
    :param statuses: for each check the word for its highest level.
    :param level: the highest level of all; 0 where nothing was found.

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
    """Run checks side by side, log what they find, and sum it up.

    :param checks: names and checks, e.g. ``get_checks().items()``.
    :param silenced_check_ids: ids of messages to leave out.
    :param timeout: seconds that a check may take.
    :param context: entered around each check in its thread, e.g. ``app.app_context``.

    .. versionadded:: 1.0
    """
    return sum_up(CheckRunner().run(checks, timeout, context), silenced_check_ids or ())


def sum_up(found: Mapping[str, Findings], silenced: Collection[str]) -> ChecksResults:
    """Log each finding that is not silenced, at its level, and sum all of them up."""
    details, statuses, highest = {}, {}, 0
    for name, findings in found.items():
        heard = [message for message in findings if message.id not in silenced]
        for message in heard:
            _log(message)
        level = max((message.level for message in heard), default=0)
        statuses[name] = level_to_text(level)
        highest = max(highest, level)
        if level > 0:
            details[name] = {
                "status": level_to_text(level),
                "level": level,
                "messages": _by_id(name, heard),
            }
    return ChecksResults(details=details, statuses=statuses, level=highest)


def _log(message: CheckMessage) -> None:
    about = getattr(message, "obj", None)
    error = about if isinstance(about, BaseException) else None
    logger.log(message.level, "%s: %s", message.id, safe_str(message.msg), exc_info=error)


def _by_id(name: str, messages: Iterable[CheckMessage]) -> dict[str, str]:
    """Texts by id; a message without one goes by its check's name, so that JSON can carry it."""
    by_id: dict[str, str] = {}
    for message in messages:
        key = safe_str(message.id or name)
        text = safe_str(message.msg)
        by_id[key] = f"{by_id[key]}; {text}" if key in by_id else text
    return by_id
