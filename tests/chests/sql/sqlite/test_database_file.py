"""The file of the SQLite chest: deleted, moved, replaced, too long a path, its mode and its log."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from flask_chest import FlaskChestSQLite
from flask_chest.chests.sql.sqlite import connection as sqlite_connection
from flask_chest.errors import DeliveryError
from flask_chest.testing import make_records

from ..helpers import create_file, make_sqlite_chest, query_file


@pytest.fixture
def chest(tmp_path: Path) -> Iterator[FlaskChestSQLite]:
    """A chest that has written one record."""
    chest = make_sqlite_chest(tmp_path / "instance", timeout=5)
    chest.write(make_records(1))
    yield chest
    chest.close()


def ids(file: Path) -> set[str]:
    """The ids of the records of a file that is not damaged."""
    assert query_file(file, "PRAGMA integrity_check") == [("ok",)]
    return {each for (each,) in query_file(file, "SELECT id FROM chest_records")}


def test_deleted(chest: FlaskChestSQLite, caplog: pytest.LogCaptureFixture) -> None:
    """Records that are delivered after the file was deleted are in the new file."""
    chest.file().unlink()
    records = make_records(3)
    chest.write(records)
    assert ids(chest.file()) == {each.id for each in records}
    assert "the file was deleted while the app was running; records from now on" in caplog.text


def test_moved(chest: FlaskChestSQLite, caplog: pytest.LogCaptureFixture) -> None:
    """Moved as by logrotate, the old file holds what was delivered before, and a new one the rest.

    The write-ahead log is not moved along; its records are in the moved file all the same.
    """
    before, after = make_records(100), make_records(3)
    chest.write(before)
    moved = chest.file().rename(chest.file().with_suffix(".1"))
    chest.write(after)
    chest.close()
    assert {each.id for each in before} <= ids(moved)
    assert ids(chest.file()) == {each.id for each in after}
    assert "the file was moved while the app was running" in caplog.text


def test_moved_before_the_end(chest: FlaskChestSQLite) -> None:
    """A process that ends after the file was moved leaves nothing behind under the old name."""
    moved = chest.file().rename(chest.file().with_suffix(".1"))
    chest.close()
    assert len(ids(moved)) == 1
    assert [each.name for each in moved.parent.iterdir()] == [moved.name]


def test_replaced_by_an_older_copy(
    chest: FlaskChestSQLite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A restored backup gets the new records, and the log reports the replacement."""
    backup = tmp_path / "backup.db"
    query_file(chest.file(), f"VACUUM INTO '{backup}'")
    saved = ids(backup)
    chest.write(make_records(50))
    backup.replace(chest.file())
    records = make_records(3)
    chest.write(records)
    assert ids(chest.file()) == saved | {each.id for each in records}
    assert "another file has its name, while the app was running" in caplog.text


@pytest.mark.parametrize("suffixes", [["-wal"], ["-shm"], ["-wal", "-shm"]])
def test_deleted_companions(
    chest: FlaskChestSQLite, caplog: pytest.LogCaptureFixture, suffixes: list[str]
) -> None:
    """Records that were only in a deleted write-ahead log are brought into the file."""
    before, after = make_records(20), make_records(3)
    chest.write(before)
    for suffix in suffixes:
        Path(f"{chest.file()}{suffix}").unlink()
    chest.write(after)
    assert {each.id for each in (*before, *after)} <= ids(chest.file())
    assert "-wal or -shm was deleted while the app was running; never delete them" in caplog.text


def test_folder_that_is_gone(chest: FlaskChestSQLite) -> None:
    """Delivery waits until the folder of the file is back."""
    folder = chest.file().parent
    away = folder.rename(folder.with_name("away"))
    with pytest.raises(DeliveryError, match=f"the folder {folder} is gone; restore or mount"):
        chest.write(make_records(1))
    assert not folder.exists()
    away.rename(folder)
    records = make_records(1)
    chest.write(records)
    assert records[0].id in ids(chest.file())
    assert len(ids(chest.file())) == 2


_WRITE = """
import sys
from flask_chest import FlaskChestSQLite
from flask_chest.testing import make_records
chest = FlaskChestSQLite(path=sys.argv[1])
for line in sys.stdin:
    records = make_records(20)
    chest.write(records)
    print(*(each.id for each in records), flush=True)
chest.close()
"""


@pytest.mark.server
def test_moved_under_many_processes(tmp_path: Path) -> None:
    """Each record that a process delivered is in one of the files, and none is damaged."""
    file = tmp_path / "chest.db"
    command = [sys.executable, "-c", _WRITE, str(file)]
    pipe = subprocess.PIPE
    writers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    delivered: set[str] = set()
    for number in range(40):
        for writer in writers:
            assert writer.stdin
            writer.stdin.write("\n")
            writer.stdin.flush()
        if number % 5 == 4 and file.exists():
            file.rename(tmp_path / f"moved-{number}.db")
        for writer in writers:
            assert writer.stdout
            delivered.update(writer.stdout.readline().split())
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert len(delivered) == 40 * 4 * 20
    files = list(tmp_path.glob("*.db"))
    assert len(files) >= 8
    assert set().union(*map(ids, files)) == delivered


def test_table_that_was_renamed(chest: FlaskChestSQLite) -> None:
    """A table that was renamed for rotation keeps its records; a new one gets the next."""
    create_file(chest.file(), "ALTER TABLE chest_records RENAME TO chest_records_2026")
    records = make_records(2)
    chest.write(records)
    assert ids(chest.file()) == {each.id for each in records}
    assert query_file(chest.file(), "SELECT count(*) FROM chest_records_2026") == [(1,)]
    assert query_file(chest.file(), "SELECT count(DISTINCT record_id) FROM chest_vars") == [(2,)]
    query = "SELECT count(*) FROM pragma_index_list('chest_records')"
    assert query_file(chest.file(), query) == [(4,)]


@pytest.mark.parametrize("name", ["chest_records", "chest_schema"])
def test_table_that_was_dropped(chest: FlaskChestSQLite, name: str) -> None:
    """A table that was dropped is created again by the running process."""
    create_file(chest.file(), f"DROP TABLE {name}")
    records = make_records(2)
    chest.write(records)
    assert {each.id for each in records} <= ids(chest.file())


def test_mode(chest: FlaskChestSQLite) -> None:
    """Only the owner can read the file and its companions."""
    files = sorted(chest.file().parent.iterdir())
    assert [each.name for each in files] == ["chest.db", "chest.db-shm", "chest.db-wal"]
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


def test_mode_that_was_set(tmp_path: Path) -> None:
    """The mode of an existing file stays, and its companions get the same."""
    file = tmp_path / "chest.db"
    file.touch()
    file.chmod(0o640)
    chest = make_sqlite_chest(tmp_path)
    chest.write(make_records(1))
    modes = {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    chest.close()
    assert modes == {0o640}


def test_path_beyond_the_limit_of_sqlite(tmp_path: Path) -> None:
    """``check()`` and ``write()`` say that the path is too long; the file system takes it."""
    folder = tmp_path.joinpath(*["x" * 100] * 5)
    folder.mkdir(parents=True)
    chest = make_sqlite_chest(folder)
    for act in (chest.check, lambda: chest.write(make_records(1))):
        with pytest.raises(DeliveryError, match="bytes; SQLite opens paths of at most 504 bytes"):
            act()


def test_longest_path(tmp_path: Path) -> None:
    """A path of exactly the maximum length works."""
    folder = tmp_path.joinpath(*["x" * 100] * 4)
    name = "y" * (504 - len(str(folder)) - 1)
    if not 0 < len(name) < 200:
        pytest.skip("the temporary folder has a long name")
    chest = make_sqlite_chest(folder, path=name)
    chest.check()
    chest.write(make_records(1))
    chest.close()
    assert len(ids(folder / name)) == 1


def test_full_disk(
    chest: FlaskChestSQLite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to do, and delivery goes on when there is room.

    A simulation: SQLite reports the same if the file may not grow.
    """
    chest.close()
    monkeypatch.setattr(sqlite_connection, "PRAGMAS", ("max_page_count = 20",))
    with pytest.raises(DeliveryError, match="is full; make room on its disk"):
        chest.write(make_records(1000))
    assert len(ids(chest.file())) == 1
    chest.close()
    monkeypatch.undo()
    chest.write(make_records(1000))
    assert len(ids(chest.file())) == 1001


def test_file_system_without_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the write-ahead log is not possible, the error says so.

    A simulation by SQLite's own file system ``unix-none``, which has no locks.
    """
    connect = sqlite3.connect

    def connect_without_locks(path: Path, **options: object) -> sqlite3.Connection:
        return connect(f"file:{path}?vfs=unix-none", uri=True, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect_without_locks)
    with pytest.raises(DeliveryError, match=r"lacks shared memory or locks.* local disk"):
        make_sqlite_chest(tmp_path).write(make_records(1))


_READ = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN")
print(connection.execute("SELECT count(*) FROM chest_records").fetchone(), flush=True)
sys.stdin.read()
"""


def test_log_that_a_reader_keeps(
    chest: FlaskChestSQLite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A long write-ahead log is reported with the process that reads, and shrinks afterwards."""
    monkeypatch.setattr(sqlite_connection, "_LONG_WAL_BYTES", 1 << 20)
    monkeypatch.setattr(sqlite_connection, "_SECONDS_BETWEEN_TRUNCATIONS", 0.0)
    log = Path(f"{chest.file()}-wal")
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _READ, str(chest.file())]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as reader:
        assert reader.stdout
        assert b"(1,)" in reader.stdout.readline()
        while log.stat().st_size <= 1 << 20:
            chest.write(make_records(500))
        chest.write(make_records(500))
        assert "log has grown to 1 MiB, because " in caplog.text
        if Path("/proc/locks").exists() and f" {reader.pid} " in Path("/proc/locks").read_text():
            assert f"because process {reader.pid} (python" in caplog.text
    chest.write(make_records(1))
    assert log.stat().st_size < 1 << 19


@pytest.mark.server
def test_log_of_a_busy_file(chest: FlaskChestSQLite) -> None:
    """The log starts again at a limit, and a grown file shrinks to it."""
    with closing(sqlite3.connect(chest.file())) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM chest_records").fetchone()
        for _ in range(60):
            chest.write(make_records(1000))
        grown = Path(f"{chest.file()}-wal").stat().st_size
        assert grown > 32 << 20
    for _ in range(2):
        chest.write(make_records(1000))
    assert Path(f"{chest.file()}-wal").stat().st_size <= 33 << 20
