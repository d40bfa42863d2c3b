"""What is no request, and yet puts values on ``g``: commands, jobs, any other app context."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from ..config.plan_cache import PlanCache
from ..config.rule import Route
from .commands import command_name, ended_well
from .encoder import BLANK, RecordEncoder, error_name
from .request_state import ids, values_on


class BackgroundContexts:
    """Makes the records of one app's commands and jobs.

    :param plans: what is recorded.
    :param capture: makes records.
    """

    def __init__(self, plans: PlanCache, capture: RecordEncoder) -> None:
        self._plans = plans
        self._capture = capture
        # What requests left on a g that outlives them (a test client that keeps contexts, a request
        # within a context): it is recorded, so it is not a job's. By id, since an
        # app_ctx_globals_class of the app's own may be a dict, which has no hash.
        self._recorded: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def pass_over(self, holder: Any) -> None:
        """A request's record has what lies on this ``g``."""
        with suppress(TypeError):  # of a class without weak references
            self._recorded[id(holder)] = holder

    def encode(
        self, holder: Any, error: BaseException | None, tags: Mapping[str, Any]
    ) -> tuple[bytes, int] | None:
        """The record of an app context that ends, and the mask of its chests; or ``None``.

        :param holder: its ``g``.
        :param error: what ended it.
        """
        values = values_on(holder)
        if not values or self._recorded.get(id(holder)) is holder:
            return None
        command = command_name()
        plan = self._plans.get(Route(None, command, ""))
        if not plan.record or not self._capture.collect(values, plan):
            return None
        now = time.time_ns() // 1000
        identity = ids.make(now)
        facts = {
            **BLANK,
            "id": identity,
            "time": now,
            "kind": "job" if command is None else "command",
            "request_id": identity,
            "endpoint": command,
            "error": None if error is None or ended_well(error) else error_name(error),
            "tags": tags,
        }
        return self._capture.encode(facts, values, plan), plan.mask
