"""The encoder's results for one route, so that later requests do not compute them again."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..config.plan_compiler import Plan

#: Arguments of :meth:`RequestState.fast_line`: variable names, sets of names that are all stored,
#: characters of a text that fits, the encoded suffix, bytes of a record.
FastPathArgs = tuple[tuple[str, ...] | None, set[tuple[str, ...]], int, bytes, int]


@dataclass(slots=True, eq=False)
class EncodingCache:
    """A route's plan, together with what encoding its records has shown so far.

    The plan cache holds one for each route, so both are dropped when rules change.

    :param plan: what the route records.
    """

    plan: Plan
    #: What to do with a variable, by its name. Filled as names appear on ``g``.
    name_decisions: dict[str, int] = field(default_factory=dict)
    #: Tuples of names that appeared on ``g`` together and are all stored. Filled as they appear.
    plain_key_sets: set[tuple[str, ...]] = field(default_factory=set)
    #: The encoded end of a line, which is the same for all records of the route. It includes the
    #: rare fields with their defaults. Filled by the first record.
    static_suffix: bytes = b""
    #: The same without the rare fields, for a record that has a value for one of them.
    static_suffix_rare: bytes = b""
    #: ``None`` if the route has no fast path.
    fast_path_args: FastPathArgs | None = None
