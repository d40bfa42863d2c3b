"""Which questions the sums of hours and days answer, and which the records."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from flask_chest import FlaskChestSQLite
from flask_chest.chests.base import Surroundings
from flask_chest.reading.fields import parse_field
from flask_chest.reading.filters import parse_filter

from .suite import DAYS, days_of_records, keep, long_query, now, reader_of


@pytest.fixture
def chest(tmp_path: Path) -> FlaskChestSQLite:
    chest = FlaskChestSQLite()
    chest.settle(Surroundings(instance_path=tmp_path, timeout=5))
    return chest


def test_intervals_shorter_than_a_day(chest: FlaskChestSQLite) -> None:
    """Sums of hours are drawn as they are, also where their records are gone."""
    end = now()
    chest.write(list(days_of_records(end)))
    query = long_query(end)
    reader = reader_of(chest)
    before = reader.series(query, 3600)
    keep(chest)
    keep(chest, timedelta(days=1))
    assert reader.count(query) < DAYS * 200
    after = reader.series(query, 3600)
    assert after.step == before.step == 3600
    assert sum(each.rows for each in after.lines[None]) == DAYS * 200
    assert reader.series(query, 600).step == 600, "of shorter ones the records tell"
    reader.close()
    chest.close()


@pytest.mark.parametrize("measure", ["status", "tags.version", "vars.nowhere"])
def test_what_sums_do_not_hold(chest: FlaskChestSQLite, measure: str) -> None:
    """Of columns and tags, and of other filters than the route, the records tell."""
    end = now()
    chest.write(list(days_of_records(end)))
    keep(chest)
    reader = reader_of(chest)
    query = replace(long_query(end), measure=parse_field(measure))
    assert reader.answer(query).whole.rows == DAYS * 200
    filtered = long_query(end).filtered(parse_filter("user_id=3"))
    assert reader.answer(filtered).whole.rows == reader.count(filtered) > 0
    reader.close()
    chest.close()
