"""Every store answers random questions as ``docs/meaning.rst`` says."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flask_chest import Chest, Record
from flask_chest.operations.background_retention import Maintenance
from flask_chest.query.export_ndjson import from_line, to_line

from . import model
from .asking import check, erase, to_query
from .model import Question
from .questions import ENDS, worlds
from .stores import STORES

#: Questions per world, each of which is asked at each stage.
QUESTIONS = 8
WHOLE = Question(ENDS[0], ENDS[1], (), None, ("", "duration_ms"))
#: An import refuses later records.
IMPORTED_UNTIL = datetime(2262, 1, 1, tzinfo=timezone.utc)
_numbers = count()


def test_random_questions(store: Any) -> None:
    """Before and after upkeep, late records and an erasure, and after an import elsewhere."""
    name, make = store
    wanted = int(os.environ.get("CHEST_TEST_QUESTIONS", "0"))
    examples = max(1, (wanted or 160) // QUESTIONS // 4)

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=not wanted,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    @given(worlds(QUESTIONS), st.integers(0, 16), st.integers(0, QUESTIONS - 1))
    def ask(world: tuple[list[Record], list[Question]], late: int, erased: int) -> None:
        records, questions = world
        if STORES[name].milliseconds:
            records = [_rounded(each) for each in records]
        chest = make(f"world_{next(_numbers)}")
        try:
            _live(chest, records, questions, late, erased, make)
        finally:
            chest.close()

    ask()


def _live(
    chest: Chest,
    records: list[Record],
    questions: list[Question],
    late: int,
    erased: int,
    make: Callable[[str], Chest],
) -> None:
    chest.write(records[late:])
    _ask(chest, records[late:], questions)
    Maintenance([chest], None).run(threading.Event())
    chest.write(records[:late])
    _ask(chest, records, questions)
    records = _erase(chest, records, questions[erased])
    _ask(chest, records, questions)
    elsewhere = make(f"elsewhere_{next(_numbers)}")
    try:
        records = _copy(chest, elsewhere, records)
        _ask(elsewhere, records, questions)
    finally:
        elsewhere.close()


def _ask(chest: Chest, records: list[Record], questions: list[Question]) -> None:
    reader = chest.reader()
    assert reader is not None
    try:
        for question in questions:
            check(reader, records, question)
    finally:
        reader.close()


def _erase(chest: Chest, records: list[Record], question: Question) -> list[Record]:
    gone = {each.id for each in model.select(records, question)}
    assert erase(chest, to_query(question)) == len(gone)
    return [each for each in records if each.id not in gone]


def _copy(chest: Chest, elsewhere: Chest, records: list[Record]) -> list[Record]:
    reader = chest.reader()
    assert reader is not None
    try:
        lines = [to_line(each) for each in reader.iter_records(to_query(WHOLE))]
    finally:
        reader.close()
    assert len(lines) == len(records)
    kept = [each for each in records if each.time < IMPORTED_UNTIL]
    ids = {each.id for each in kept}
    elsewhere.write([from_line(line) for line in lines if json.loads(line)["id"] in ids])
    return kept


def _rounded(record: Record) -> Record:
    time = record.time
    return replace(record, time=time.replace(microsecond=time.microsecond // 1000 * 1000))
