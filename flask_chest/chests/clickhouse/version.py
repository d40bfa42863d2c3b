"""Refuses servers of ClickHouse that are too old."""

from __future__ import annotations

import re
from typing import Any

# The oldest version with the settings and statements that the chest uses.
MIN_VERSION = (24, 8)


def is_too_old(version: str) -> bool:
    """Return whether a server of this version lacks what the chest needs."""
    return parse_version(version) < MIN_VERSION


def parse_version(text: str) -> tuple[int, ...]:
    """Return major and minor version of a text such as ``"24.8.14.39"``."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def too_old_error(version: str) -> Exception:
    """Return an error of the driver, so that it takes the way of all errors of the driver."""
    from clickhouse_connect.driver.exceptions import OperationalError

    error = OperationalError(f"ClickHouse {version} is too old")
    error.too_old_version = version  # type: ignore[attr-defined]
    return error


def too_old_version(error: BaseException) -> str:
    """Return the version in an error of :func:`too_old_error`; empty for any other error."""
    return str(getattr(error, "too_old_version", ""))


def upgrade_remedy() -> str:
    """Return what to do about a server that is too old."""
    return f"upgrade the server to {'.'.join(map(str, MIN_VERSION))} or newer"


def ask_version(pool: Any, url: str, username: str, password: str, timeout: float) -> str:
    """Ask a server for its version without the driver; return an empty text if it does not answer.

    The driver's first query needs a server of the last few years.

    :param pool: the pool of urllib3 with the TLS settings.
    :param url: scheme, host and port of the server.
    :param timeout: seconds.
    """
    from urllib3.exceptions import HTTPError

    headers = {"X-ClickHouse-User": username, "X-ClickHouse-Key": password}
    query = f"{url}/?query=SELECT%20version()"
    try:
        response = pool.request("GET", query, headers=headers, timeout=timeout, retries=False)
    except HTTPError:
        return ""
    found = re.fullmatch(rb"\s*(\d+(?:\.\d+)+)\S*\s*", response.data)
    return "" if found is None or response.status != 200 else found[1].decode()
