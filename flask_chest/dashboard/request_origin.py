"""Decides where a request comes from: this machine, a proxy, or a page of another site."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from flask import Request

_LOCAL_NAMES = ("localhost", "localhost.localdomain")
# Headers that proxies, load balancers and tunnels add. Some add only one of them.
_PROXY_HEADERS = frozenset(
    ("forwarded", "via", "client-ip", "true-client-ip", "x-client-ip", "x-proxyuser-ip")
)
_PROXY_PREFIXES = (
    *("x-forwarded", "x-real-", "x-original-", "x-cluster-", "x-envoy-", "x-amzn-", "x-amz-"),
    *("x-azure-", "x-appengine-", "x-arr-", "x-vercel-", "x-scheme", "x-url-scheme"),
    *("cf-", "cdn-", "fastly-", "fly-", "akamai-", "tailscale-", "ngrok-", "incap-", "x-sucuri-"),
)
_SAFE_METHODS = ("GET", "HEAD")


def is_local(request: Request) -> bool:
    """Return whether a request comes directly from this machine, without a proxy.

    The ``Host`` header must name this machine, too. Otherwise another site could resolve its own
    name to the loopback address (DNS rebinding) and read the dashboard.
    """
    try:
        host = urlsplit(f"//{request.host}").hostname or ""
    except ValueError:
        return False
    if not _is_loopback(request.remote_addr or "") or came_through_proxy(request):
        return False
    return host in _LOCAL_NAMES or _is_loopback(host)


def came_through_proxy(request: Request) -> bool:
    """Return whether a header shows that a proxy forwarded the request."""
    names = (name.lower() for name, _ in request.headers)
    return any(name in _PROXY_HEADERS or name.startswith(_PROXY_PREFIXES) for name in names)


def is_from_another_site(request: Request) -> bool:
    """Return whether a page of another origin made the request, so that it might read the answer.

    An app that answers with CORS headers lets other pages read the answer. A link from another
    site is allowed: the browser shows the answer as a page of its own.
    """
    headers = request.headers
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        is_page = headers.get("Sec-Fetch-Mode") == "navigate" and (
            headers.get("Sec-Fetch-Dest") == "document"
        )
        return site not in {"same-origin", "none"} and not is_page
    # Without TLS, browsers send Origin only. They omit it for a GET to the same origin. Forms are
    # protected by a value of their own, since a proxy may change the Host.
    origin = headers.get("Origin")
    if origin is None or request.method not in _SAFE_METHODS:
        return False
    try:
        return urlsplit(origin).netloc != request.host
    except ValueError:
        return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
