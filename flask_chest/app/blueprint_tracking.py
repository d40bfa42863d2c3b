"""Turns calls of ``FlaskChest.track()`` into rules once the app has registered the blueprints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask


@dataclass(frozen=True, slots=True)
class BlueprintTracking:
    """The arguments of one call of ``track()``.

    :param blueprint: the blueprint, or its full name.
    :param options: a rule's options.
    """

    blueprint: Blueprint | str
    options: dict[str, Any]

    @property
    def source(self) -> str:
        """The name of the rule in messages."""
        return f"track({self.name!r})"

    @property
    def name(self) -> str:
        """The blueprint's own name; an app may register the blueprint under another name."""
        return self.blueprint.name if isinstance(self.blueprint, Blueprint) else self.blueprint

    def rule(self, name: str | None = None) -> dict[str, Any]:
        """Return the rule.

        :param name: the name under which the app has registered the blueprint.
        """
        return {"blueprint": name or self.name, **self.options}


class PendingBlueprintRules:
    """Rules for blueprint objects, whose names in the app are known only when it is complete.

    :param app: the app.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._pending: list[BlueprintTracking] = []

    def add(self, tracking: BlueprintTracking) -> None:
        """Add a call of ``track()`` with a blueprint object."""
        self._pending.append(tracking)

    def take(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Remove all pending rules and yield each with its source.

        A blueprint may be registered later, within another blueprint, or several times: it gets a
        rule for each of its names.
        """
        while self._pending:
            tracking = self._pending.pop(0)
            known = self._app.blueprints.items()
            names = [name for name, blueprint in known if blueprint is tracking.blueprint]
            for name in names or [tracking.name]:
                yield tracking.rule(name), tracking.source
