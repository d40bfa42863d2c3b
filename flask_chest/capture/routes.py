"""Everything in an app that rules may select."""

from __future__ import annotations

from collections.abc import Iterable

import click
from flask import Flask

from ..config.rule import Route


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
