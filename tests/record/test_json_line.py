"""A batch decodes a record only when the record is accessed."""

from __future__ import annotations

from flask_chest.record.batch import Batch, encoded_lines, json_array
from flask_chest.record.json_line import encode, loads
from flask_chest.testing import make_records

RECORDS = make_records(5)
BATCH = Batch([encode(record) for record in RECORDS])


def test_a_batch_is_a_sequence_of_records() -> None:
    """A batch supports indexes and slices from both ends."""
    assert len(BATCH) == 5
    assert list(BATCH) == RECORDS
    assert BATCH[0] == RECORDS[0]
    assert BATCH[-1] == RECORDS[-1]
    assert list(BATCH[1:3]) == RECORDS[1:3]
    assert isinstance(BATCH[::2], Batch)


def test_a_batch_is_not_encoded_again() -> None:
    """Lines of a batch are passed on; other records are encoded."""
    assert encoded_lines(BATCH) is BATCH.lines
    assert encoded_lines(RECORDS) == BATCH.lines
    assert [each["id"] for each in loads(json_array(RECORDS))] == [each.id for each in RECORDS]
