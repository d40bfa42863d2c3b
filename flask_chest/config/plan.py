"""What one route records: the plan that rules compile to, and a decorator's override."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..typing import TrackedVars
from .rule import Route


@dataclass(slots=True)
class Plan:
    """What one endpoint and method records; a request looks it up and decides nothing.

    :param names: the variables to track, in order; ``None`` where all of ``g`` is tracked.
    :param named: variables that somebody named outright; a superset of ``names``.
    :param mask: a bit for each chest that gets the record.
    :param sample: the share that is kept.
    :param record: whether a record is left at all.
    :param request_id_generator: makes the request id, where the decorator named one.
    :param sources: which rules made it, for ``flask chest rules`` and ``explain``.
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
    """What a decorator says of its view; it overrides all rules.

    :param tracks: whether ``tracked_vars`` say anything.
    :param chests: the names of its chests; ``None`` leaves the app's, none at all keeps no record.
    """

    tracked_vars: TrackedVars = None
    tracks: bool = False
    chests: tuple[str, ...] | None = None
    request_id_generator: Any = None
