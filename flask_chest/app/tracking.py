"""What one call of ``chest.track()`` says, kept for apps that are yet to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint


@dataclass(frozen=True, slots=True)
class Tracked:
    """What one call of ``track()`` says.

    :param blueprint: the blueprint, or its full name.
    :param options: a rule's options.
    """

    blueprint: Blueprint | str
    options: dict[str, Any]

    @property
    def source(self) -> str:
        """What messages call it."""
        return f"track({self.name!r})"

    @property
    def name(self) -> str:
        """The blueprint's name, as far as it is known without an app."""
        return self.blueprint.name if isinstance(self.blueprint, Blueprint) else self.blueprint

    def rule(self, name: str | None = None) -> dict[str, Any]:
        """The rule.

        :param name: the name under which the app knows the blueprint.
        """
        return {"blueprint": name or self.name, **self.options}
