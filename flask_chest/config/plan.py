"""What one route records: the plan that rules compile to, and a decorator's override."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..typing import TrackedVars
from .rule_matching import Route


@dataclass(slots=True)
class Plan:
    """What one endpoint and method records. A request looks the plan up instead of matching rules.

    :param names: the variables to track, in order; ``None`` tracks all of ``g``.
    :param named: the variables that a setting, rule or decorator names; includes ``names``.
    :param mask: a bit for each chest that gets the record.
    :param sample: the fraction of records to keep.
    :param record: whether requests are recorded at all.
    :param request_id_generator: the generator of the view's decorator, if any.
    :param sources: the rules that apply, for ``flask chest rules`` and ``explain``.
    :param blueprint: the full name of the route's blueprint.
    """

    route: Route
    names: tuple[str, ...] | None
    named: frozenset[str]
    mask: int
    sample: float
    record: bool
    request_id_generator: Any = None
    sources: tuple[str, ...] = ()
    blueprint: str | None = None


@dataclass(frozen=True, slots=True)
class Override:
    """What a decorator sets for its view; wins over all rules.

    :param tracked_vars: the variables to track, if ``tracks`` is true.
    :param tracks: whether ``tracked_vars`` apply.
    :param chests: the names of the decorator's chests; ``None`` keeps the app's chests, and an
        empty tuple records nothing.
    """

    tracked_vars: TrackedVars = None
    tracks: bool = False
    chests: tuple[str, ...] | None = None
    request_id_generator: Any = None
