"""Reads the rollups that a plan names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ....query.intervals import DAY
from ....query.query import DURATION, Query
from ..store_protocols import Store
from .plan import REQUESTS, RollupPlan, RollupPlanner
from .pruned_hours import is_pruned

if TYPE_CHECKING:
    from .plan import Select


class RollupReader:
    """Reads the rollups of one store.

    :param store: the store.
    :param select: runs a query in the database.
    """

    def __init__(self, store: Store, select: Select) -> None:
        self._table = store.rollups
        self._select = select
        self._planner = RollupPlanner(store, select)

    def plan(self, query: Query, step: float = DAY) -> RollupPlan | None:
        """Plan a query; parameters as for :meth:`RollupPlanner.plan`."""
        return self._planner.plan(query, step)

    def read(self, plan: RollupPlan, query: Query) -> Iterator[sa.Row[Any]]:
        """The rows of a plan that match the filters of a query."""
        columns = self._table.columns
        needed = [each for each in columns if each.name != "numbers" or query.measure != DURATION]
        conditions = list(self._conditions(query))
        routes = {each.value for each in query.where if each != REQUESTS and each.value}
        parts = [(part, conditions) for part in plan.rollups]
        parts += [(part, [is_pruned(columns), *conditions]) for part in plan.pruned]
        for (step, begin, end), where in parts:
            within = columns.step == step, columns.start >= begin, columns.start < end
            rows = self._select(sa.select(*needed).where(*within, *where))
            # MySQL's collations also match similar routes.
            yield from (row for row in rows if not routes or {row.route} == routes)

    def _conditions(self, query: Query) -> Iterator[Any]:
        columns = self._table.columns
        for each in query.where:
            if each == REQUESTS:
                yield columns.is_request
            elif each.value:
                yield columns.route == each.value
            else:
                yield columns.route.is_(None)
