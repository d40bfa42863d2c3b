"""The route of a request, as plans are made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config.rule import Route

if TYPE_CHECKING:
    from flask.wrappers import Request

# Others are what a stranger typed: the record's method must not be a place to write to.
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)


def route_of(seen: Request) -> Route:
    """The route and method of a request."""
    rule, method = seen.url_rule, seen.method
    if rule is None:
        return unrouted(method)
    # A rule that leaves methods open is open for what a stranger makes up.
    known = method in _METHODS or method in (rule.methods or ())
    return Route(rule.rule, rule.endpoint, method if known else "_OTHER")


def unrouted(method: str) -> Route:
    """What stands for the route of a request that matches none."""
    return Route(None, None, method if method in _METHODS else "_OTHER")
