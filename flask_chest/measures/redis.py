"""Measures commands and pipelines of redis-py, sync and async.

redis-py has no events for commands, so the methods that send them are wrapped.
"""

from __future__ import annotations

from functools import wraps
from time import perf_counter_ns
from typing import Any

from redis import client, cluster
from redis.asyncio import client as async_client
from redis.asyncio import cluster as async_cluster

from ..capture.current_measurements import current_measurements

_SYNC: tuple[tuple[type, str], ...] = (
    (client.Redis, "execute_command"),
    (client.Pipeline, "execute"),
    (cluster.RedisCluster, "execute_command"),
)
_ASYNC: tuple[tuple[type, str], ...] = (
    (async_client.Redis, "execute_command"),
    (async_client.Pipeline, "execute"),
    (async_cluster.RedisCluster, "execute_command"),
)


def attach() -> None:
    """Wrap the methods. Does nothing the second time."""
    if hasattr(client.Redis.execute_command, "_chest_measured"):
        return
    for owner, name in _SYNC:
        setattr(owner, name, _wrap(getattr(owner, name)))
    for owner, name in _ASYNC:
        setattr(owner, name, _wrap_async(getattr(owner, name)))


def _wrap(original: Any) -> Any:
    @wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        measurements = current_measurements("redis")
        if measurements is None:
            return original(*args, **kwargs)
        began = perf_counter_ns()
        try:
            return original(*args, **kwargs)
        finally:
            measurements.add("redis", perf_counter_ns() - began)

    wrapper._chest_measured = True  # type: ignore[attr-defined]
    return wrapper


def _wrap_async(original: Any) -> Any:
    @wraps(original)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        measurements = current_measurements("redis")
        if measurements is None:
            return await original(*args, **kwargs)
        began = perf_counter_ns()
        try:
            return await original(*args, **kwargs)
        finally:
            measurements.add("redis", perf_counter_ns() - began)

    return wrapper
