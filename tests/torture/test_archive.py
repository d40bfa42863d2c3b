"""The archive while processes are killed, the disk is full, and two processes write at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from flask_chest.archive.errors import ArchiveError
from flask_chest.archive.store_archive import StoreArchive

from ..archive.source_suite import HOUR, START, same, sample, stored
from ..chests.sql.helpers import make_sqlite_chest
from .archive_kills import WHOLE
from .test_disk import tmpfs

pytestmark = pytest.mark.server

#: The torture environment of tox kills more often.
KILLS = int(os.environ.get("TORTURE_KILLS", "10")) // 2
UNTIL = HOUR + 86400

_RACE = """
import sys, threading
from pathlib import Path
from flask_chest.archive import archiver
from flask_chest.archive.store_archive import StoreArchive
from flask_chest.chests.sql.archive import source
from tests.chests.sql.helpers import make_sqlite_chest
# As if each of two machines believed that it holds the lease.
source.SQLArchiveSource.acquire_lease = source.SQLArchiveSource.renew_lease = lambda self: True
StoreArchive._restore = lambda *arguments, **options: None
from flask_chest.archive.archive import Archive
Archive.collect_garbage = lambda self: None
source._PAGE, archiver.MAX_PART = 50, 50
folder, until = Path(sys.argv[1]), int(sys.argv[2])
store = StoreArchive(make_sqlite_chest(folder), str(folder / "archive"))
sys.stdin.readline()
print(sum(store.archive(until, threading.Event())))
"""


def test_kills(tmp_path: Path) -> None:
    """No record is missing, none is there twice, and what was erased does not come back."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.archive_kills", str(tmp_path), str(KILLS)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"\d+ written, [1-9]\d* erased, {KILLS} killed\n", done.stdout)


def test_two_processes_on_one_folder(tmp_path: Path) -> None:
    """Two processes that both believe to hold the lease write each record once."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample(1000))
    chest.archive_source().store_id(create=True)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, str(tmp_path), str(UNTIL)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sum(counts) == 1000
    archived = list(StoreArchive(chest, str(tmp_path / "archive")).records(WHOLE))
    assert same(sorted(archived, key=lambda record: (record.time, record.id)), stored(chest))


def test_a_full_disk(tmp_path: Path) -> None:
    """Nothing is archived by halves, and nothing is pruned; with space again everything is."""
    chest = make_sqlite_chest(tmp_path)
    chest.write(sample(2000))
    expected = stored(chest)
    store = StoreArchive(chest, str(tmp_path / "archive"))
    chest.archived_ids = store.archived_ids
    before = START + timedelta(hours=1)
    with tmpfs(tmp_path / "archive", "24k"):
        with pytest.raises(ArchiveError, match="No space left"):
            store.maintain(UNTIL, None, threading.Event())
        with pytest.raises(ArchiveError, match="No space left"):
            sum(chest.prune(before, threading.Event()))
        assert list(store.records(WHOLE)) == []
        assert same(stored(chest), expected)
        subprocess.run(["mount", "-o", "remount,size=10m", str(tmp_path / "archive")], check=True)
        assert store.maintain(UNTIL, None, threading.Event())
        assert sum(chest.prune(before, threading.Event())) == 2000
        assert same(list(store.records(WHOLE)), expected)
