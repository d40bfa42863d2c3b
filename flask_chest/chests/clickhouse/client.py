"""A connection to ClickHouse, or to its engine inside this process (chDB)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import Any

from ..http.client import check_verify
from ..url import StoreURL

#: What every question is asked with. A record that came twice is one to it, merged or not; both of
#: it say the same, so indexes may leave parts out all the same. And a column is never taken for a
#: figure of the same name.
READING: Mapping[str, Any] = {
    "final": 1,
    "use_skip_indexes_if_final": 1,
    "optimize_move_to_prewhere_if_final": 1,
    "do_not_merge_across_partitions_select_final": 1,
    "prefer_column_name_to_alias": 1,
}

# Where a failed call is logged, at each attempt, before it raises what says why.
_LOGGERS = ("clickhouse_connect.driver._backend.http_sync", "urllib3.connectionpool")
_hushed = threading.local()


def connect(address: StoreURL, timeout: float, settings: Mapping[str, Any]) -> Any:
    """A connection as the DB-API has it; its ``client`` is clickhouse-connect's.

    :param timeout: seconds that one call may take.
    :param settings: ClickHouse's, for all calls.
    """
    from clickhouse_connect.dbapi.connection import Connection

    given = {f"ch_{name}": value for name, value in settings.items()}
    if address.scheme == "chdb":
        return Connection(dsn=_in_process(address), **given)
    from clickhouse_connect.driver.httputil import get_pool_manager
    from urllib3 import Timeout

    https = address.scheme == "clickhouse+https"
    # Not the pool that all clients share: a forked process would read its parent's answers.
    verify = check_verify(address.query.get("verify", True))
    pool = get_pool_manager(ca_cert=verify if isinstance(verify, str) else None)
    connection: Any = Connection(
        host=address.host or "localhost",
        port=address.port or (8443 if https else 8123),
        username=address.username or "default",
        password=address.password,
        database=address.path or None,
        interface="https" if https else "http",
        pool_mgr=pool,
        # The server runs one query of a session at a time.
        autogenerate_session_id=False,
        connect_timeout=max(1, ceil(timeout)),
        send_receive_timeout=max(1, ceil(timeout)),
        # Delivery itself tries again, and later.
        query_retries=0,
        **given,
    )
    connection.client.timeout = Timeout(connect=timeout, read=timeout)
    return connection


@contextmanager
def hushed() -> Iterator[None]:
    """What fails in here is told by its error, and not by the driver's log at each attempt.

    Of this thread, that is: the app may have connections of its own.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_anothers)
    _hushed.here = True
    try:
        yield
    finally:
        _hushed.here = False


def _is_anothers(_: logging.LogRecord) -> bool:
    return not getattr(_hushed, "here", False)


def _in_process(address: StoreURL) -> str:
    folder = "memory" if address.path in {"", ":memory:"} else f"/{address.path}"
    return f"chdb://{folder}"
