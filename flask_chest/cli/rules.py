"""``flask chest rules`` and ``explain``: show what is tracked, and by which rule."""

from __future__ import annotations

from collections.abc import Iterable

import click
from flask import current_app
from flask.cli import with_appcontext
from flask.testing import EnvironBuilder
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ..app.state import AppState
from ..capture.fact_collector import FactCollector
from ..config.plan_compiler import Plan
from ..config.rule_matching import Route
from .command_context import current_state
from .options import json_option
from .output import FACTS_HINT, print_json, print_warning, render_table

_HEADER = ("method", "route", "tracks", "chests", "sample", "by")


@click.command()
@json_option
@with_appcontext
def rules(as_json: bool) -> None:
    """Show what each route tracks, and by which rule."""
    state = current_state()
    facts = state.recorder.facts
    header = _HEADER if facts is None else (*_HEADER, "facts")
    rows = []
    for route in sorted(_routes(), key=lambda route: (route.rule or "", route.method)):
        plan = state.plans.show(route)
        shown = () if facts is None else (_describe_facts(plan, facts),)
        rows.append((route.method, route.rule, *_describe_plan(plan, state), *shown))
    if as_json:
        print_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        click.echo(render_table(header, rows))
    for rule in state.plans.unmatched():
        print_warning(f"{rule.source} matches no route of the app: {rule.selector_text}")
    if facts is None and not as_json:
        click.echo(FACTS_HINT, err=True)


@click.command()
@click.argument("method")
@click.argument("path")
@json_option
@with_appcontext
def explain(method: str, path: str, as_json: bool) -> None:
    """Show what one request would record, and why.

    The request has the method METHOD and the path or URL PATH.
    """
    state = current_state()
    route, redirect = _match(method.upper(), path)
    plan = state.plans.show(route)
    tracks, chests, sample, sources = _describe_plan(plan, state)
    description = {
        "route": route.rule or _no_route(redirect),
        "endpoint": route.endpoint,
        "blueprint": route.blueprint,
        "recorded": "yes" if plan.record else "no",
        "tracks": tracks,
        "chests": chests,
        "sample": sample,
        "by": sources,
    }
    if state.recorder.facts is not None:
        description["facts"] = _describe_facts(plan, state.recorder.facts)
    if as_json:
        print_json(description)
        return
    for name, value in description.items():
        click.echo(f"{click.style(name.ljust(9), bold=True)}  {'-' if value is None else value}")


def _describe_plan(plan: Plan, state: AppState) -> tuple[str, str, float, str]:
    """Return the cells of the columns tracks, chests, sample and by."""
    if not plan.record:
        tracks = "(not recorded)"
    elif plan.names is None:
        tracks = ", ".join(("all of g", *sorted(plan.named)))
    else:
        tracks = ", ".join(plan.names) or "(request only)"
    names = [chest.name for bit, chest in enumerate(state.chests) if plan.mask >> bit & 1]
    return tracks, ", ".join(names), plan.sample, ", ".join(plan.sources) or "(app)"


def _describe_facts(plan: Plan, facts: FactCollector) -> str:
    return ", ".join(facts.variables_of(plan.route)) if plan.record else ""


def _match(method: str, path: str) -> tuple[Route, str | None]:
    """Return the route of a request, and the URL that the app would redirect it to, if any."""
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


def _no_route(redirect: str | None) -> str:
    text = "none: no route of the app matches"
    return text if redirect is None else f"{text}, but the app redirects to {redirect}"


def _routes() -> Iterable[Route]:
    for rule in current_app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            yield Route(rule.rule, rule.endpoint, method)
