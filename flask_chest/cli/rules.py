"""``flask chest rules`` and ``explain``: what is tracked, and by which rule."""

from __future__ import annotations

from collections.abc import Iterable

import click
from flask import current_app
from flask.cli import with_appcontext
from flask.testing import EnvironBuilder
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ..app.state import AppState
from ..config.plan import Plan
from ..config.rule import Route
from . import output as table
from .context import current_state
from .options import json_option
from .output import print_json

_HEADER = ("method", "route", "tracks", "chests", "sample", "by")


@click.command()
@json_option
@with_appcontext
def rules(as_json: bool) -> None:
    """What each route tracks, and by which rule."""
    state = current_state()
    rows = []
    for route in sorted(_routes(), key=lambda route: (route.rule or "", route.method)):
        plan = state.plans.show(route)
        rows.append((route.method, route.rule, *_told(plan, state)))
    if as_json:
        print_json([dict(zip(_HEADER, row, strict=True)) for row in rows])
    else:
        click.echo(table.render(_HEADER, rows))
    for rule in state.plans.unmatched():
        text = f"{rule.source} matches no route of the app: {rule.told}"
        click.secho(text, fg="yellow", err=True)


@click.command()
@click.argument("method")
@click.argument("path")
@json_option
@with_appcontext
def explain(method: str, path: str, as_json: bool) -> None:
    """What a request with METHOD to PATH would record, and why."""
    state = current_state()
    route, redirect = _match(method.upper(), path)
    plan = state.plans.show(route)
    tracks, chests, sample, sources = _told(plan, state)
    told = [
        ("route", route.rule or _unmatched(redirect)),
        ("endpoint", route.endpoint),
        ("blueprint", route.blueprint),
        ("recorded", "yes" if plan.record else "no"),
        ("tracks", tracks),
        ("chests", chests),
        ("sample", sample),
        ("by", sources),
    ]
    if as_json:
        print_json(dict(told))
        return
    for name, value in told:
        click.echo(f"{click.style(name.ljust(9), bold=True)}  {'-' if value is None else value}")


def _told(plan: Plan, state: AppState) -> tuple[str, str, float, str]:
    if not plan.record:
        tracks = "(not recorded)"
    elif plan.names is None:
        tracks = ", ".join(("all of g", *sorted(plan.named)))
    else:
        tracks = ", ".join(plan.names) or "(request only)"
    names = [each.name for bit, each in enumerate(state.chests) if plan.mask >> bit & 1]
    return tracks, ", ".join(names), plan.sample, ", ".join(plan.sources) or "(app)"


def _match(method: str, path: str) -> tuple[Route, str | None]:
    """The route of a request, and where it would be redirected to."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    environ = EnvironBuilder(app, path, method=method).get_environ()
    adapter = app.create_url_adapter(app.request_class(environ))
    redirect = None
    try:
        rule, _ = adapter.match(return_rule=True)
    except RequestRedirect as error:
        redirect = error.new_url
    except HTTPException:
        pass
    else:
        return Route(rule.rule, rule.endpoint, method), None
    return Route(None, None, method), redirect


def _unmatched(redirect: str | None) -> str:
    told = "none: no route of the app matches"
    return told if redirect is None else f"{told}, but this is redirected to {redirect}"


def _routes() -> Iterable[Route]:
    for rule in current_app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            yield Route(rule.rule, rule.endpoint, method)
