"""Everything in an app that rules may select."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from flask import Flask

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


def routes_of(app: Flask) -> Iterable[Route]:
    """Its routes, each with each of its methods, and its commands."""
    for rule in app.url_map.iter_rules():
        for method in rule.methods or ("",):
            yield Route(rule.rule, rule.endpoint, method)
    # A command that leaves a record is selected by its name, as an endpoint.
    for name in _command_names(app.cli):
        yield Route(None, name, "")


def _command_names(group: click.Group, above: str = "") -> Iterable[str]:
    for name, command in group.commands.items():
        yield above + name
        if isinstance(command, click.Group):
            yield from _command_names(command, f"{above}{name} ")
