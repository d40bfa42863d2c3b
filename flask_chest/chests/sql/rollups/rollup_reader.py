"""Reads the rollups that a plan names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ....query.filter_matching import matches
from ....query.filter_parsing import Filter
from ....query.query import DURATION, Query
from ....query.time_intervals import DAY
from ....record.json_line import EPOCH
from ....record.record import Record
from ..store_protocols import Store
from .pruned_hours import is_pruned
from .query_plan import REQUESTS, RollupPlan, RollupPlanner

if TYPE_CHECKING:
    from .query_plan import Select


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

    def has_all_records(self, query: Query) -> bool:
        """Whether retention has deleted no record of the range."""
        return self._planner.has_all_records(query)

    def read(self, plan: RollupPlan, query: Query) -> Iterator[sa.Row[Any]]:
        """The rows of a plan that match the filters of a query."""
        columns = self._table.columns
        needed = [each for each in columns if each.name != "numbers" or query.measure != DURATION]
        conditions: list[Any] = [columns.is_request] if REQUESTS in query.where else []
        about_routes = [each for each in query.where if each != REQUESTS]
        parts = [(part, conditions) for part in plan.rollups]
        parts += [(part, [is_pruned(columns), *conditions]) for part in plan.pruned]
        for (step, begin, end), where in parts:
            within = columns.step == step, columns.start >= begin, columns.start < end, *where
            if about_routes:
                routes = self._matching_routes(within, about_routes)
                within = *within, _is_one_of(columns.route, routes)
            for row in self._select(sa.select(*needed).where(*within)):
                # MySQL's collations also find similar routes.
                if not about_routes or row.route in routes:
                    yield row

    def _matching_routes(self, within: tuple[Any, ...], filters: list[Filter]) -> set[str | None]:
        """The routes that match filters, by the rules that hold for records in memory."""
        rows = self._select(sa.select(self._table.columns.route).where(*within).distinct())
        found = (row.route for row in rows)
        return {
            route for route in found if matches(Record(id="", time=EPOCH, route=route), filters)
        }


def _is_one_of(column: sa.Column[Any], values: set[str | None]) -> Any:
    texts = sorted(each for each in values if each is not None)
    listed = column.in_(texts)
    return sa.or_(listed, column.is_(None)) if None in values else listed
