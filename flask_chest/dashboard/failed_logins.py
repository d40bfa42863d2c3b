"""Counts failed logins of all processes, and slows down an address that fails repeatedly."""

from __future__ import annotations

import ipaddress
import logging
import time
from typing import Any

from .._throttle import LogThrottle
from .shared_state_file import Content, StateFile

#: Failed logins that an address may make at once, and seconds until it may make one more.
MAX_FAILURES, RECOVERY_SECONDS = 10, 30.0
# Above this number of addresses, those with the fewest failures are dropped.
_MAX_ADDRESSES = 1000
# A user with one IPv6 address usually has a whole network of this size.
_IPV6_NETWORK = 64
_log = LogThrottle(logging.getLogger("flask_chest"))


class FailedLogins:
    """The failed logins of one app.

    The limit applies to each address alone: an attacker cannot lock out other addresses.

    :param file: keeps the number of failures.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file

    def attempt(self, address: str | None, *, is_right: bool) -> float:
        """Count one login.

        :param address: the client's address.
        :param is_right: whether the token was right. It does not matter while the address has to
            wait: otherwise an attacker could go on guessing.
        :returns: seconds that the address has to wait; 0 if the login counts.
        """
        key = _key_of(address)
        wait = self._file.update(lambda content: _judge(content, key, is_right, time.time()))
        if wait:
            _log.warning("slowed", "login to the dashboard from %s refused: too many failures", key)
        elif not is_right:
            _log.warning("failed", "login to the dashboard from %s failed: wrong token", key)
        return wait

    def to_dict(self) -> dict[str, Any]:
        """Return the number of failed logins, for the ledger."""
        return {"failed_logins": int(self._file.read().get("failed", 0))}


def _judge(content: Content, key: str, is_right: bool, now: float) -> float:
    """Update the content; return seconds to wait."""
    failures = _decayed(content.get("addresses", {}), now)
    number = failures.get(key, 0.0)
    if number > MAX_FAILURES - 1:
        return (number - MAX_FAILURES + 1) * RECOVERY_SECONDS
    if is_right:
        failures.pop(key, None)
    else:
        failures[key] = number + 1
        content["failed"] = int(content.get("failed", 0)) + 1
    most = sorted(failures.items(), key=lambda each: -each[1])[:_MAX_ADDRESSES]
    content["addresses"] = {address: [failed, now] for address, failed in most}
    return 0.0


def _decayed(addresses: dict[str, list[float]], now: float) -> dict[str, float]:
    """Return how many failures still count, by address."""
    found = {}
    for address, (failed, since) in addresses.items():
        remaining = failed - max(0.0, now - since) / RECOVERY_SECONDS
        if remaining > 0:
            found[address] = remaining
    return found


def _key_of(address: str | None) -> str:
    """Return the network of an address. A proxy may have reported any text as the address."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "an unknown address"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _IPV6_NETWORK), strict=False))
