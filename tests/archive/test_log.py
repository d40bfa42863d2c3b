"""The log of an archive: one entry is one step, whatever else happens."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from flask_chest.archive.archive import Archive
from flask_chest.archive.coverage import archived_ids, coverage
from flask_chest.archive.errors import ArchiveError, ConflictError, DamagedPartError
from flask_chest.archive.records import iter_records
from flask_chest.archive.storage import FolderStorage

from .examples import HOUR, archive_records, make_records


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(FolderStorage(tmp_path / "archive"))


def files(archive: Archive) -> set[str]:
    return set(archive.storage.names("data"))


def test_an_outdated_process_fails_and_leaves_nothing(archive: Archive) -> None:
    outdated = archive.snapshot()
    part = archive_records(archive, make_records([{"a": 1}]))
    with pytest.raises(ConflictError):
        archive.add(outdated, HOUR, HOUR + 3600, None, [part])
    assert [each.name for each in archive.snapshot().parts] == [part.name]


def test_a_part_replaces_another_in_one_step(archive: Archive) -> None:
    first = archive_records(archive, make_records([{"a": 1}, {"a": 2}]))
    second = archive_records(archive, make_records([{"a": 1}]), [first])
    assert archive.snapshot().parts == (second,)
    assert files(archive) == {second.name}


def test_an_interrupted_replacement_leaves_garbage_that_is_collected(archive: Archive) -> None:
    first = archive_records(archive, make_records([{"a": 1}]))
    content = archive.storage.read(f"data/{first.name}")
    second = archive_records(archive, make_records([{"a": 2}]), [first])
    assert content is not None
    archive.storage.create(f"data/{first.name}", content)  # as if it were not deleted yet
    assert archive.snapshot().parts == (second,)
    archive.collect_garbage()
    assert files(archive) == {second.name}


def test_replaced_entries_are_deleted_later_and_no_number_is_used_twice(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = archive_records(archive, make_records([{"a": 1}]))
    for _ in range(3):
        part = archive_records(archive, make_records([{"a": 1}]), [part])
    archive.collect_garbage()
    assert len(archive.storage.names("log")) == 4
    monkeypatch.setattr("flask_chest.archive.archive._ENTRY_SECONDS", -10)
    for _ in range(4):
        archive.collect_garbage()
    again = Archive(archive.storage)
    assert again.snapshot().parts == (part,)
    assert list(again.storage.names("log")) == ["000000000004.json"]


@pytest.mark.parametrize("damage", ["missing", "truncated", "changed"])
def test_a_damaged_part_is_named(archive: Archive, damage: str) -> None:
    part = archive_records(archive, make_records([{"a": 1}]))
    path = Path(archive.path(part))
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[:-20])
    elif damage == "changed":
        path.write_bytes(bytes(len(content)))
    with pytest.raises(DamagedPartError, match=part.name) as caught:
        list(iter_records(archive, [part]))
    assert caught.value.name == part.name


def test_an_entry_of_a_newer_release_is_refused(archive: Archive) -> None:
    archive.storage.create("log/000000000001.json", b'{"format": 2, "release": "9.1"}')
    with pytest.raises(ArchiveError, match=r"written by Flask-Chest 9\.1.*upgrade"):
        archive.snapshot()


def test_a_damaged_entry_is_named(archive: Archive) -> None:
    part = archive_records(archive, make_records([{"a": 1}]))
    path = Path(archive.storage.path("log/000000000001.json"))
    path.write_bytes(path.read_bytes().replace(b'"records": 1', b'"records": 3'))
    with pytest.raises(ArchiveError, match=r"000000000001\.json: this entry .* is damaged"):
        Archive(archive.storage).snapshot()
    assert part.number == 1


def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    archive = Archive(FolderStorage(tmp_path / "file" / "archive"))
    with pytest.raises(ArchiveError, match="CHEST_ARCHIVE"):
        archive.connect()


def test_the_open_tail_and_late_hours_are_read_from_the_store(archive: Archive) -> None:
    empty = coverage(archive.snapshot(), [HOUR], HOUR + 7200)
    assert empty.stretches(5, 10) == [(5, 10)]
    archive_records(archive, make_records([{"a": 1}, {"a": 2}]))
    snapshot = archive.snapshot()
    second = 1_000_000
    found = coverage(snapshot, [HOUR - 3600, HOUR + 7200], HOUR + 9000)
    since, until = (HOUR - 7200) * second, (HOUR + 9000) * second
    late = (HOUR - 3600) * second, HOUR * second
    assert found.stretches(since, until) == [late, ((HOUR + 3600) * second, until)]
    # The hour is not over by the reader's clock: the process that archived it was ahead.
    ahead = coverage(snapshot, [], HOUR + 60)
    assert ahead.stretches(HOUR * second, until) == [(HOUR * second, until)]
    assert archived_ids(archive, snapshot, [(HOUR * second, until)]) == {"0" * 32, "0" * 31 + "1"}
