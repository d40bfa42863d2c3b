"""The routes and commands of an app, which rules can select."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from flask import Flask, current_app

from ..config.rule_matching import Route
from ..config.value_types import METHODS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask.wrappers import Request


# A client can send any other word as the method. Such words must not get into the records.
_METHODS = frozenset(METHODS)
# Werkzeug's key in the WSGI environment for the latest request object.
_REQUEST_KEY = "werkzeug.request"


def route_of(seen: Request) -> Route:
    """Return the route and method of a request.

    :raises Exception: an exception of the app's code, e.g. of a URL converter.
    """
    if seen.url_rule is None and seen.routing_exception is None:
        # Flask opens the session first, and that failed.
        return match_route(current_app._get_current_object(), seen.environ)  # type: ignore[attr-defined]
    return _matched_route(seen)


def match_route(app: Flask, environ: WSGIEnvironment) -> Route:
    """Return the route of a request that ended in a way that Flask reports by no signal.

    :raises Exception: an exception of the app's code, e.g. of a URL converter.
    """
    before = environ.get(_REQUEST_KEY)
    try:
        context = app.request_context(environ)
        if context.request.routing_exception is None:
            context.match_request()
        return _matched_route(context.request)
    finally:
        environ[_REQUEST_KEY] = before


def _matched_route(seen: Request) -> Route:
    rule, method = seen.url_rule, seen.method
    if rule is None:
        return unrouted(method)
    # A rule without methods accepts any word that a client makes up.
    known = method in _METHODS or method in (rule.methods or ())
    return Route(rule.rule, rule.endpoint, method if known else "_OTHER")


def unrouted(method: str) -> Route:
    """Return the route of a request that matches no URL rule."""
    return Route(None, None, method if method in _METHODS else "_OTHER")


def routes_of(app: Flask) -> Iterable[Route]:
    """Yield the routes of an app, once for each method, and the app's commands."""
    for rule in app.url_map.iter_rules():
        for method in rule.methods or ("",):
            yield Route(rule.rule, rule.endpoint, method)
    # Rules select a command's record by the name of the command, as an endpoint.
    for name in _command_names(app.cli):
        yield Route(None, name, "")


def _command_names(group: click.Group, above: str = "") -> Iterable[str]:
    for name, command in group.commands.items():
        yield above + name
        if isinstance(command, click.Group):
            yield from _command_names(command, f"{above}{name} ")
