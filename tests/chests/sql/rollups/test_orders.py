"""Whatever order records are written, rolled up, pruned and erased in, sums count each one once."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from flask_chest import Record
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.query.fields import ROUTE, parse_field
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query

from ..helpers import make_sqlite_chest, open_reader
from .suite import maintain

NOW = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
# Whole days before now: of hours that are rolled up, pruned, or known by their days only.
AGES = (1, 3, 4, 20, 95, 96)
WRITE = st.tuples(st.just("write"), st.sampled_from(AGES), st.integers(0, 3), st.integers(1, 4))
ORDERS = st.lists(
    st.one_of(
        WRITE,
        WRITE,
        st.tuples(st.just("maintain")),
        st.tuples(st.just("prune"), st.sampled_from((2, 10, 50))),
        st.tuples(st.just("erase"), st.integers(0, 3)),
    ),
    min_size=2,
    max_size=9,
)


class Model:
    """The records as a plain list; a pruned one still counts, and cannot be erased any more."""

    def __init__(self) -> None:
        self.stored: list[Record] = []
        self.pruned: list[Record] = []
        self._numbers = count()

    def make(self, age: int, user: int, number: int) -> list[Record]:
        made = []
        for each in range(number):
            time = NOW - timedelta(days=age, hours=user, seconds=each)
            identity = f"{next(self._numbers):032x}"
            values = {"user": user, "total": each + 1}
            made.append(Record(id=identity, time=time, route=f"/{user % 2}", vars=values))
        self.stored += made
        return made

    def prune(self, days: int) -> None:
        before = NOW - timedelta(days=days)
        self.pruned += [each for each in self.stored if each.time < before]
        self.stored = [each for each in self.stored if each.time >= before]

    def erase(self, user: int) -> None:
        self.stored = [each for each in self.stored if each.vars["user"] != user]

    def answer(self) -> dict[str | None, tuple[int, float]]:
        found: dict[str | None, tuple[int, float]] = {}
        for record in self.stored + self.pruned:
            rows, total = found.get(record.route, (0, 0.0))
            value = record.vars["total"]
            assert isinstance(value, int)
            found[record.route] = rows + 1, total + value
        return found


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(orders=ORDERS)
def test_any_order(orders: list[tuple[object, ...]]) -> None:
    """After each step, a long range says what the model says."""
    with tempfile.TemporaryDirectory() as folder:
        chest = make_sqlite_chest(Path(folder))
        try:
            _run(chest, orders)
        finally:
            chest.close()


def _run(chest: FlaskChestSQLite, orders: list[tuple[object, ...]]) -> None:
    model, reader = Model(), open_reader(chest)
    query = Query(
        since=NOW - timedelta(days=120),
        until=NOW + timedelta(days=1),
        by=ROUTE,
        measure=parse_field("total"),
    )
    for order in orders:
        _apply(chest, model, query, order)
        answer = reader.answer(query)
        found = {group.key: (group.summary.rows, group.summary.total) for group in answer.groups}
        assert found == model.answer(), order
    reader.close()


def _apply(chest: FlaskChestSQLite, model: Model, query: Query, order: tuple[object, ...]) -> None:
    match order:
        case ("write", int(age), int(user), int(number)):
            chest.write(model.make(age, user, number))
        case ("prune", int(days)):
            maintain(chest, timedelta(days=days))
            model.prune(days)
        case ("erase", int(user)):
            _erase(chest, query, user)
            model.erase(user)
        case _:
            maintain(chest)


def _erase(chest: FlaskChestSQLite, query: Query, user: int) -> None:
    reader, eraser = open_reader(chest), chest.eraser()
    records = reader.page(query.filtered(parse_filter(f"user={user}")))
    if eraser.erase([record.id for record in records]):
        assert eraser.finish() == []
    eraser.close()
    reader.close()
