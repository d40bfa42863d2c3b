"""Opens connections to ClickHouse, or to its engine within this process (chDB)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from typing import Any

from ..http.client import check_verify
from ..url import StoreURL
from .errors import error_code
from .version import ask_version, is_too_old, too_old_error

#: Settings for all queries. ``FINAL`` deduplicates at read time. Duplicates are identical, so skip
#: indexes remain safe. A name means a column rather than an aggregate's alias.
READ_SETTINGS: Mapping[str, Any] = {
    "final": 1,
    "use_skip_indexes_if_final": 1,
    "optimize_move_to_prewhere_if_final": 1,
    "do_not_merge_across_partitions_select_final": 1,
    "prefer_column_name_to_alias": 1,
}

# These loggers log each failed attempt, and the exception that follows has the reason as well.
_LOGGERS = ("clickhouse_connect.driver._backend.http_sync", "urllib3.connectionpool")
_suppressed = threading.local()


def connect(address: StoreURL, timeout: float, settings: Mapping[str, Any]) -> Any:
    """Open a connection with the DB-API's interface; its ``client`` is clickhouse-connect's.

    :param timeout: seconds that one call may take.
    :param settings: ClickHouse's settings for all calls.
    :raises clickhouse_connect.driver.exceptions.ClickHouseError: there is no answer, or the server
        is too old.
    """
    from clickhouse_connect.dbapi.connection import Connection

    options = {f"ch_{name}": value for name, value in settings.items()}
    if address.scheme == "chdb":
        connection = Connection(dsn=_chdb_dsn(address), **options)
    else:
        connection = _connect_to_server(address, timeout, options)
    version = str(connection.client.server_version)
    if is_too_old(version):
        connection.close()
        raise too_old_error(version)
    return connection


def _connect_to_server(address: StoreURL, timeout: float, options: Mapping[str, Any]) -> Any:
    from clickhouse_connect.dbapi.connection import Connection
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from clickhouse_connect.driver.httputil import get_pool_manager
    from urllib3 import Timeout

    https = address.scheme == "clickhouse+https"
    # Not the driver's shared pool: a forked process would read its parent's answers.
    verify = check_verify(address.query.get("verify", True))
    pool = get_pool_manager(ca_cert=verify if isinstance(verify, str) else None)
    host, port = address.host or "localhost", address.port or (8443 if https else 8123)
    username, password = address.username or "default", address.password
    interface = "https" if https else "http"
    try:
        connection: Any = Connection(
            host=host,
            port=port,
            username=username,
            password=password,
            database=address.path or None,
            interface=interface,
            pool_mgr=pool,
            # Within a session, the server runs only one query at a time.
            autogenerate_session_id=False,
            connect_timeout=max(1, ceil(timeout)),
            send_receive_timeout=max(1, ceil(timeout)),
            # Delivery retries, with backoff.
            query_retries=0,
            **options,
        )
    except ClickHouseError as error:
        if error_code(error) is None:
            raise  # no answer of ClickHouse
        url = f"{interface}://{host}:{port}"
        version = ask_version(pool, url, username, password, timeout)
        if version and is_too_old(version):
            raise too_old_error(version) from None
        raise
    connection.client.timeout = Timeout(connect=timeout, read=timeout)
    return connection


@contextmanager
def suppressed_driver_logs() -> Iterator[None]:
    """Suppress the driver's log of failed attempts in this thread; the error has the reason.

    Other threads log as usual: the app may have its own connections.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_not_suppressed)
    _suppressed.here = True
    try:
        yield
    finally:
        _suppressed.here = False


def _is_not_suppressed(_: logging.LogRecord) -> bool:
    return not getattr(_suppressed, "here", False)


def _chdb_dsn(address: StoreURL) -> str:
    folder = "memory" if address.path in {"", ":memory:"} else f"/{address.path}"
    return f"chdb://{folder}"
