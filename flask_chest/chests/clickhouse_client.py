"""A connection to ClickHouse, or to its engine inside this process (chDB)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from .address import Address
from .http_client import checked_verify

#: What every question is asked with. A record that came twice is one to it, merged or not, and a
#: column is never taken for a figure of the same name.
READING: Mapping[str, Any] = {
    "final": 1,
    "do_not_merge_across_partitions_select_final": 1,
    "prefer_column_name_to_alias": 1,
}


def connect(address: Address, timeout: float, settings: Mapping[str, Any]) -> Any:
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
    verify = checked_verify(address.query.get("verify", True))
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


def _in_process(address: Address) -> str:
    folder = "memory" if address.path in {"", ":memory:"} else f"/{address.path}"
    return f"chdb://{folder}"
