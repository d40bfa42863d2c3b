"""From rows of figures to an answer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .query import Query
from .summary import Answer, Group, Series, Summary


def fold_answer(rows: Iterable[Any], share: float, limit: int) -> Answer:
    """Add up the rows of each group.

    :param rows: with ``k``, ``code``, ``n``, ``w``, ``e``, ``s``, ``low``, ``high``.
    :param share: the share of the records that the rows stand for.
    :param limit: how many groups are told by name.
    """
    found: dict[str | None, Summary] = {}
    for row in rows:
        _add(found.setdefault(row.k, Summary()), row, share)
    groups = [Group(key, summary) for key, summary in found.items()]
    groups.sort(key=lambda group: (-group.summary.count, group.key or ""))
    rest = Summary()
    for group in groups[limit:]:
        rest.merge(group.summary)
    return Answer(groups[:limit], rest, share, complete=len(groups) <= limit)


def fold_series(rows: Iterable[Any], query: Query, step: float, share: float) -> Series:
    """Put the rows of each group and interval in their places.

    :param rows: as for :func:`fold_answer`, with ``b``, the number of the interval.
    """
    number = max(1, math.ceil(query.seconds / step))
    begin = query.since.timestamp()
    series = Series([begin + step * place for place in range(number)], step, {}, share)
    for row in rows:
        line = series.lines.get(row.k)
        if line is None:
            line = series.lines[row.k] = [Summary() for _ in range(number)]
        _add(line[min(max(int(row.b), 0), number - 1)], row, share)
    return series


def _add(summary: Summary, row: Any, share: float) -> None:
    weight = float(row.w) / share
    summary.count += weight
    summary.rows += row.n
    summary.errors += float(row.e) / share
    if row.code is None:
        return
    # MariaDB gives decimals.
    low, high = float(row.low), float(row.high)
    summary.merge(Summary(total=float(row.s) / share, measured=weight, low=low, high=high))
    summary.digest.add(int(row.code), weight)
