"""A part gives every record back exactly as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from flask_chest.archive.archive import Archive
from flask_chest.archive.columns import FIXED, column_name
from flask_chest.archive.records import iter_records
from flask_chest.archive.storage import FolderStorage
from flask_chest.record.json_line import FIELDS

from .examples import archive_records, make_records

ODD: list[dict[str, Any]] = [
    {},
    {"a": 1},
    {"a": 1.0},
    {"a": "1"},
    {"a": True},
    {"a": None},
    {"a": [1, 2.0, None, {"b": 1e16}]},
    {"a": {}},
    {"a": []},
    {"b": 2, "a": 1},
    {"A": 3, "a": 4},
    {"userId": 5},
    {"user.id": 5, 'quo"te': 6, "größe": 0.30000000000000004, "-x": 1, " ": 2, "a'b": 3},
    {"": 5},
    {"a": 2**53 + 1},
    {"a": 2**63 - 1, "b": 2**63},
    {"a": 2**64 - 1},
    {"a": -(2**63)},
    {"a": 1e16, "b": -0.0, "c": 5e-324, "d": 1e308, "e": 0.1, "f": 1e-7},
    {"a": "x" * 8192},
    {"a": "12345678901234567890123"},
    {"a": "\x00 \u2028 \U0001f600 \\ \" '"},
    {"vars": 1, "shape": 2, "id": 3, "a_int": 4},
]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(FolderStorage(tmp_path / "archive"))


def test_every_record_reads_back_as_it_was(archive: Archive) -> None:
    records = make_records([*ODD, *reversed(ODD)])
    archive_records(archive, records)
    back = list(iter_records(archive, archive.snapshot().parts))
    # repr() tells 5 from 5.0 and keeps the order of names.
    assert list(map(repr, back)) == list(map(repr, records))


def test_each_odd_record_reads_back_alone(archive: Archive) -> None:
    for values in (ODD[0], ODD[1], ODD[6], ODD[13], ODD[15]):
        records = make_records([values], tags=values, request_id="given")
        part = archive_records(archive, records)
        assert repr(list(iter_records(archive, [part]))) == repr(records)


def test_three_thousand_names(archive: Archive) -> None:
    names = [{f"n{number}": number for number in range(n, n + 30)} for n in range(0, 3000, 30)]
    part = archive_records(archive, make_records(names))
    back = list(iter_records(archive, [part]))
    assert [dict(record.vars) for record in back] == names
    assert len(part.columns["vars"]) == 200
    assert 90 < part.rest["vars"] < 100


def test_each_type_of_a_variable_has_its_column(archive: Archive) -> None:
    part = archive_records(archive, make_records([{"a": 1}, {"a": 2.5}, {"a": "x"}, {"a": [1]}]))
    columns = {column for _, _, column in part.columns["vars"]}
    assert columns == {"vars_a_int", "vars_a_num", "vars_a_text", "vars_a_json"}
    select = "SELECT vars_a_int, vars_a_num, vars_a_text, vars_a_json, vars FROM parts ORDER BY id"
    assert archive.rows([part], select) == [
        (1, None, None, None, None),
        (None, 2.5, None, None, None),
        (None, None, "x", None, None),
        (None, None, None, "[1]", None),
    ]


def test_parts_with_other_variables_are_one_table(archive: Archive) -> None:
    first = archive_records(archive, make_records([{"a": 2**53 + 1}]))
    second = archive_records(archive, make_records([{"a": 0.5, "b": "x"}]))
    select = "SELECT vars_a_int, vars_a_num, vars_b_text FROM parts ORDER BY 1"
    assert archive.rows([first, second], select) == [(2**53 + 1, None, None), (None, 0.5, "x")]


def test_column_names_that_differ_in_case_only_stay_apart() -> None:
    names = ["userid", "userId", "USERID", "user.id", "größe", "x" * 255, 'q"'] * 2
    columns = {column_name("vars", name, "int").lower() for name in names}
    assert len(columns) == 7
    assert column_name("vars", "user_id", "int") == "vars_user_id_int"


def test_the_columns_cover_every_field_of_a_record() -> None:
    assert {*FIXED, "vars", "tags"} == set(FIELDS)
