"""Full disks, and unusable journal folders."""

from __future__ import annotations

import errno
import logging
import os
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flask_chest import FlaskChest
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.partition import Partition
from flask_chest.delivery.journal.record_framing import MAGIC
from flask_chest.delivery.journal.writer import JournalWriter
from tests.servers.programs import skip_without

from ..delivery.journal.frames import pack
from .app import make_torture_app, rescan
from .visits import SwitchableChest

_PAGE = resource.getpagesize()


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[None]:
    """Mount a small file system.

    :param size: as mount expects it, e.g. ``"300k"``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)]
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        skip_without("the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Visits:
    """Sends requests to an app, and checks its ledger."""

    def __init__(self, folder: Path, store: SwitchableChest, **config: Any) -> None:
        self.app = make_torture_app(folder, CHEST_CHESTS=[store], **config)
        self.store = store
        self.sent: list[str] = []

    @property
    def chest(self) -> FlaskChest:
        found = self.app.extensions["chest"]
        assert isinstance(found, FlaskChest)
        return found

    def send(self, count: int) -> None:
        client = self.app.test_client()
        for _ in range(count):
            ident = f"visit-{len(self.sent)}"
            answer = client.get(f"/put/{ident}", headers={"X-Request-ID": ident})
            assert answer.status_code == 200
            self.sent.append(ident)

    def account(self) -> dict[str, Any]:
        found: dict[str, Any] = self.chest.stats()["chests"]["switch"]
        return found

    def check(self) -> None:
        """Check that each record is delivered once, or counts as lost."""
        assert self.chest.flush(30)
        account = self.account()
        assert account["captured"] == len(self.sent), account
        assert account["pending"] == 0
        assert (
            account["delivered"] == len(self.store.request_ids) == len(set(self.store.request_ids))
        )
        assert account["delivered"] + sum(account["lost"].values()) == len(self.sent)


@pytest.mark.server
def test_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The app keeps serving; stored records are delivered, and the others count as lost."""
    store = SwitchableChest("switch")
    store.up = False
    with tmpfs(tmp_path / "chest-journal", "300k"):
        visits = Visits(tmp_path, store)
        visits.send(1200)
        assert caplog.text.count("make that writable, with free space") == 1
        store.up = True
        assert visits.chest.flush(30)
        stored = len(store.request_ids)
        assert 100 < stored < 1200
        visits.send(10)
        visits.check()
        assert store.request_ids[-10:] == visits.sent[-10:]
        visits.chest.close()
        visits.check()


@pytest.mark.server
def test_a_disk_that_fills_again_and_again(tmp_path: Path) -> None:
    """Each record that a full disk tears counts as lost once."""
    store = SwitchableChest("switch")
    with tmpfs(tmp_path / "chest-journal", "200k"):
        visits = Visits(tmp_path, store)
        for _ in range(6):
            store.up = False
            visits.send(400)
            store.up = True
            assert visits.chest.flush(30)
        visits.send(1)
        visits.check()
        assert store.request_ids[-1] == visits.sent[-1]
        visits.chest.close()


@pytest.mark.server
@pytest.mark.parametrize(("size", "torn"), [(1000, 1), (2048, 0)])
def test_a_disk_that_is_full_before_a_second_segment_exists(
    tmp_path: Path, size: int, torn: int
) -> None:
    """Delivered records free space, also if there was none for another segment."""
    # The first record fills the page that the segment's first line starts. After it, records of
    # 2048 bytes end at page boundaries, so that the disk takes them whole or not at all.
    first, line = (_line(each) for each in (_PAGE - len(MAGIC), size))
    lost: Counter[str] = Counter()
    scope = JournalScope(tmp_path / "chest-journal", chests=("switch",))
    with tmpfs(scope.root, "200k"):
        writer = JournalWriter(scope, segment_bytes=2**20)
        source = Partition(
            writer.folder, scope, lambda _, reason, count: lost.update({reason: count})
        )
        assert source.claim()
        for _ in range(3):
            writer.append(first, 1)
            with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
                for _ in range(1000):
                    writer.append(line, 1)
            while page := source.read("switch", 1000):
                source.commit("switch", page, len(page.lines), 0)
        assert lost == Counter(damaged=3 * torn)
        writer.append(line, 1)
        page = source.read("switch", 1000)
        assert page is not None
        assert page.lines == [line]
        writer.release()
        source.release()


def _line(size: int) -> bytes:
    """Return a record that needs this many bytes in a segment."""
    return b'{"id":"%b"}' % (b"x" * (size - len(pack(b'{"id":""}', 1))))


def test_a_file_with_the_name_of_the_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The app keeps serving, one log line has the remedy, and the records count as lost."""
    (tmp_path / "chest-journal").write_text("in the way")
    visits = Visits(tmp_path, SwitchableChest("switch"))
    visits.send(5)
    assert visits.account()["lost"] == {"journal": 5}
    [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "CHEST_JOURNAL_DIR" in record.getMessage()
    assert str(tmp_path / "chest-journal") in record.getMessage()
    visits.chest.close()


@pytest.mark.server
def test_a_folder_that_cannot_be_written_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only file system, on which root cannot write either."""
    with tmpfs(tmp_path / "chest-journal", "300k"):
        remount = ["mount", "-o", "remount,ro", str(tmp_path / "chest-journal")]
        subprocess.run(remount, check=True)
        visits = Visits(tmp_path, SwitchableChest("switch"))
        visits.send(5)
        assert visits.account()["lost"] == {"journal": 5}
        assert caplog.text.count("CHEST_JOURNAL_DIR") == 1
        visits.chest.close()


def test_a_journal_removed_while_in_use(tmp_path: Path) -> None:
    """The ledger stays right, and later records are delivered."""
    store = SwitchableChest("switch")
    visits = Visits(tmp_path, store)
    visits.send(5)
    assert visits.chest.flush(10)
    store.up = False
    visits.send(5)
    # Renamed first: delivery may create a file during rmtree(), which would then fail.
    (tmp_path / "chest-journal").rename(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone", ignore_errors=True)
    rescan(visits.app)
    visits.send(5)
    store.up = True
    visits.check()
    assert len(store.request_ids) == 15
    visits.chest.close()


def test_another_file_system(tmp_path: Path) -> None:
    """The journal may be on another file system than the instance folder."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        pytest.skip("there is no other file system at /dev/shm")
    store = SwitchableChest("switch")
    journal = shared / f"chest-{os.getpid()}"
    visits = Visits(tmp_path, store, CHEST_JOURNAL_DIR=str(journal))
    visits.send(3)
    visits.check()
    visits.chest.close()
    for path in journal.iterdir():
        path.unlink()
    journal.rmdir()


def test_files_of_other_programs(tmp_path: Path) -> None:
    """They are left alone, and do not disturb delivery."""
    store = SwitchableChest("switch")
    store.up = False
    visits = Visits(tmp_path, store)
    visits.send(3)
    [folder] = [path.parent for path in (tmp_path / "chest-journal").glob("*/writer.json")]
    foreign = ["²².segment", "notes.segment", "00000001.segment.bak", "0.place.999.new"]
    for name in foreign:
        (folder / name).write_text("foreign")
        (folder.parent / name).write_text("foreign")
    (folder / "00000007.segment").mkdir()
    (folder.parent / "photos").mkdir()
    (folder.parent / "photos" / "writer.json").write_text("{}")
    (folder.parent / ".hidden").mkdir()
    rescan(visits.app)
    store.up = True
    assert visits.chest.flush(10)
    assert len(store.request_ids) == 3
    visits.chest.close()
    assert (tmp_path / "chest-journal" / "photos" / "writer.json").read_text() == "{}"
    assert all((tmp_path / "chest-journal" / name).exists() for name in foreign)
