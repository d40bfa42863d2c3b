"""Reads and validates the ``DOCKERFLOW_*`` config keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from .checks.runner import DEFAULT_TIMEOUT

FAILED_STATUS_CODE = "DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE"
CHECK_TIMEOUT = "DOCKERFLOW_CHECK_TIMEOUT"
HEARTBEAT_CACHE = "DOCKERFLOW_HEARTBEAT_CACHE"
REQUEST_ID_HEADER = "DOCKERFLOW_REQUEST_ID_HEADER_NAME"
LOG_QUERYSTRING = "DOCKERFLOW_SUMMARY_LOG_QUERYSTRING"

PENDING_WARNING = "DOCKERFLOW_CHEST_PENDING_WARNING"
PENDING_ERROR = "DOCKERFLOW_CHEST_PENDING_ERROR"
LOST_WARNING = "DOCKERFLOW_CHEST_LOST_WARNING"
LOST_ERROR = "DOCKERFLOW_CHEST_LOST_ERROR"

DEFAULT_CACHE = 1.0


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """The settings of one app's heartbeat.

    :param failed_status: the HTTP status of a failing heartbeat.
    :param timeout: seconds that each check may take.
    :param cache: seconds for which later heartbeats return the same result.
    """

    failed_status: int
    timeout: float
    cache: float


def heartbeat_settings(config: Mapping[str, Any]) -> HeartbeatSettings:
    """Return the heartbeat's settings.

    :raises ConfigError: naming the key, the value and what is allowed.
    """
    # A test that changes something and asks again must not get the old result.
    default_cache = 0.0 if config.get("TESTING") else DEFAULT_CACHE
    return HeartbeatSettings(
        failed_status=_whole(config, FAILED_STATUS_CODE, 500),
        timeout=_seconds(config, CHECK_TIMEOUT, DEFAULT_TIMEOUT, _is_positive),
        cache=_seconds(config, HEARTBEAT_CACHE, default_cache, _is_not_negative),
    )


@dataclass(frozen=True, slots=True)
class ChestSettings:
    """The thresholds of the chests' check: a warning and an error each; ``None`` means never.

    :param pending: age of the oldest undelivered record, in seconds.
    :param lost: number of records that were lost within an hour.
    """

    pending: tuple[float | None, float | None]
    lost: tuple[float | None, float | None]


def chest_settings(config: Mapping[str, Any]) -> ChestSettings:
    """Return the settings of the chests' check.

    :raises ConfigError: naming the key, the value and what is allowed.
    """
    return ChestSettings(
        pending=(_threshold(config, PENDING_WARNING, 60.0), _threshold(config, PENDING_ERROR)),
        lost=(_threshold(config, LOST_WARNING, 1.0), _threshold(config, LOST_ERROR)),
    )


def _is_positive(number: float) -> bool:
    return number > 0


def _is_not_negative(number: float) -> bool:
    return number >= 0


def _whole(config: Mapping[str, Any], key: str, default: int) -> int:
    value = config.get(key, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if not 200 <= number <= 599:
        raise ConfigError(f"{key} is {value!r}; it must be an HTTP status, e.g. 500 or 503")
    return number


def _seconds(
    config: Mapping[str, Any], key: str, default: float, allowed: Callable[[float], bool]
) -> float:
    value = config.get(key, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and allowed(number)):
        raise ConfigError(f"{key} is {value!r}; it must be a number of seconds, e.g. {default:g}")
    return number


def _threshold(config: Mapping[str, Any], key: str, default: float | None = None) -> float | None:
    value = config.get(key, default)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not number >= 0:
        raise ConfigError(f"{key} is {value!r}; it must be a number, or None for never")
    return number
