"""Reads an SQL store: rollups for long ranges, and the table of records for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...query.aggregation import (
    MAX_ROWS,
    add_to_series,
    empty_series,
    limit_answer,
    limit_lines,
    summary_at,
)
from ...query.answer import Answer, Series, Summary
from ...query.query import Query
from ...query.time_intervals import DAY
from .rollups.query_plan import RollupPlan
from .rollups.rollup_reader import RollupReader
from .rollups.rollup_row import add_row
from .store_protocols import Store
from .table_reader import TableReader


class SQLReader(TableReader):
    """Reads the records and the rollups of one SQL store.

    :param store: the store.
    """

    #: Whether stored records answer a long range, as far as they need not be sampled.
    prefers_records = True

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._rollups = RollupReader(store, self._rows)

    def _plan(self, query: Query, step: float = DAY) -> RollupPlan | None:
        """Plan a query; return ``None`` if its records are stored and few enough to be read.

        Only records give exact percentiles.
        """
        is_stored = self.prefers_records and self._rollups.has_all_records(query)
        if is_stored and self._sampling.slices(query).fraction == 1:
            return None
        return self._rollups.plan(query, step)

    def answer(self, query: Query, limit: int = 20) -> Answer:
        plan = self._plan(query)
        if plan is None:
            return super().answer(query, limit)
        summaries: dict[str | None, Summary] = {}
        for row in self._rollups.read(plan, query):
            key = None if query.by is None else row.route or None
            add_row(summaries.setdefault(key, Summary()), row, query.measure)
        fraction, rest = 1.0, Summary()
        for since, until in plan.records:
            part = super().answer(replace(query, since=since, until=until), MAX_ROWS)
            fraction = min(fraction, part.fraction)
            rest.merge(part.rest)
            for group in part.groups:
                summaries.setdefault(group.key, Summary()).merge(group.summary)
        answer = limit_answer(summaries, fraction, limit)
        answer.rest.merge(rest)
        return replace(answer, complete=answer.complete and not rest.rows)

    def series(
        self, query: Query, step: float, lines: int = 8, keys: Sequence[str | None] | None = None
    ) -> Series:
        plan = self._plan(query, step)
        if plan is None:
            return super().series(query, step, lines, keys)
        series = empty_series(replace(query, since=plan.begin), plan.step)
        self._add_rollups(series, plan, query)
        fraction = self._add_records(series, plan, query)
        return limit_lines(series, lines, fraction, keys)

    def _add_rollups(self, series: Series, plan: RollupPlan, query: Query) -> None:
        begin = plan.begin.timestamp()
        for row in self._rollups.read(plan, query):
            key = None if query.by is None else row.route or None
            summary = summary_at(series, key, int((row.start - begin) // plan.step))
            add_row(summary, row, query.measure)

    def _add_records(self, series: Series, plan: RollupPlan, query: Query) -> float:
        """Add the parts without rollups; return the fraction of them that was read."""
        begin, fraction = plan.begin.timestamp(), 1.0
        for since, until in plan.records:
            part = replace(query, since=since, until=until)
            slices = self._sampling.slices(part)
            aggregate = self._aggregate_of(part, slices, plan.step, begin)
            rows = self._groups(part, aggregate.over_time(None))
            add_to_series(series, rows, aggregate.fraction)
            fraction = min(fraction, aggregate.fraction)
        return fraction
