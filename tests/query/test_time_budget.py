"""Questions about many records: exact if there is time, and honest if there is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flask_chest.chests.sql.reader import SQLReader
from flask_chest.query.fields import parse_field
from flask_chest.query.formatting import count_text, estimate_text, percentile_texts

from ..chests.sql.helpers import make_sqlite_chest
from .records import sample_records
from .suite import WHOLE


@pytest.fixture
def reader(tmp_path: Path) -> SQLReader:
    """A reader of 6,000 records that samples above 3,000."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample_records(6000))
    chest.close()
    made = SQLReader(chest)
    made.max_records, made.sample_size = 3000, 2500
    return made


def test_all_records_are_read_if_there_is_time(reader: SQLReader) -> None:
    """More records than a number of rows allows are no reason for an estimate."""
    reader.time_budget = 60.0
    for _ in range(2):
        for query in (WHOLE, WHOLE.grouped(parse_field("route"))):
            answer = reader.answer(query)
            assert (answer.fraction, answer.whole.rows, answer.records) == (1, 6000, 6000)
            assert estimate_text(answer) == ""
            assert reader.series(query, 3600).fraction == 1
    reader.close()


def test_an_estimate_says_what_it_is_made_of(reader: SQLReader) -> None:
    """How many of how many records were read; the margin holds the true count."""
    reader.time_budget = 0.0
    answer = reader.answer(WHOLE.grouped(parse_field("method")))
    assert answer.records is not None
    assert answer.fraction < 1
    assert estimate_text(answer).startswith(f"estimated from {answer.records:,} of about ")
    for group, count in zip(answer.groups, (7500, 1500), strict=True):
        assert group.summary.margin is not None
        assert abs(group.summary.count - count) < 2 * group.summary.margin
        assert "±" in count_text(group.summary)
        assert group.summary.to_dict(1)["margin"] == group.summary.margin
    reader.close()


def test_too_few_records_for_percentiles(reader: SQLReader) -> None:
    """Of fewer than 30 records of a sample, no percentile is shown."""
    reader.time_budget = 0.0
    found = reader.answer(WHOLE.grouped(parse_field("unique")), 3).groups
    assert [percentile_texts(group.summary) for group in found] == [["too few"] * 3] * 3
    whole = reader.answer(WHOLE).whole
    assert "too few" not in percentile_texts(whole)
    exact = replace(whole, is_sampled=False, rows=5)
    assert "too few" not in percentile_texts(exact)
    reader.close()
