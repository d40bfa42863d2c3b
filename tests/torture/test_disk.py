"""A disk that fills, and journal folders that are not what they should be."""

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
from flask_chest.chests.base import Chest
from flask_chest.delivery.journal.framing import MAGIC
from flask_chest.delivery.journal.partition import Partition
from flask_chest.delivery.journal.scope import JournalScope
from flask_chest.delivery.journal.writer import JournalWriter
from flask_chest.errors import DeliveryError
from tests.servers.programs import skip_without

from ..delivery.journal.frames import pack
from .app import make_torture_app, rescan

_PAGE = resource.getpagesize()


class Switch(Chest):
    """A store that is up or down."""

    def __init__(self) -> None:
        super().__init__(name="switch")
        self.up = True
        self.idents: list[str] = []

    def write(self, records: Any) -> None:
        if not self.up:
            raise DeliveryError("down")
        self.idents += [record.request_id for record in records]


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[None]:
    """A small file system of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    if subprocess.run(command, capture_output=True, check=False).returncode:
        skip_without("the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class Visits:
    """Requests to an app, and what the ledger must say of them."""

    def __init__(self, folder: Path, store: Switch, **config: Any) -> None:
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
        """Everything is delivered, once, or counted as lost."""
        assert self.chest.flush(30)
        account = self.account()
        assert account["captured"] == len(self.sent), account
        assert account["pending"] == 0
        assert account["delivered"] == len(self.store.idents) == len(set(self.store.idents))
        assert account["delivered"] + sum(account["lost"].values()) == len(self.sent)


@pytest.mark.server
def test_a_full_disk_costs_what_it_cannot_hold_and_counts_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The app serves on; what was kept arrives when the store is back; the rest is counted."""
    store = Switch()
    store.up = False
    with tmpfs(tmp_path / "chest-journal", "300k"):
        visits = Visits(tmp_path, store)
        visits.send(1200)
        assert caplog.text.count("make that writable, with room on it") == 1
        store.up = True
        assert visits.chest.flush(30)
        kept = len(store.idents)
        assert 100 < kept < 1200
        visits.send(10)
        visits.check()
        assert store.idents[-10:] == visits.sent[-10:]
        visits.chest.close()
        visits.check()


@pytest.mark.server
def test_a_disk_that_fills_again_and_again(tmp_path: Path) -> None:
    """Room that comes and goes tears records; each is counted once."""
    store = Switch()
    with tmpfs(tmp_path / "chest-journal", "200k"):
        visits = Visits(tmp_path, store)
        for _ in range(6):
            store.up = False
            visits.send(400)
            store.up = True
            assert visits.chest.flush(30)
        visits.send(1)
        visits.check()
        assert store.idents[-1] == visits.sent[-1]
        visits.chest.close()


@pytest.mark.server
@pytest.mark.parametrize(("size", "torn"), [(1000, 1), (2048, 0)])
def test_a_disk_that_is_full_before_anybody_looks(tmp_path: Path, size: int, torn: int) -> None:
    """What is delivered makes room, even where there was none for another segment."""
    # The first fills what the segment's first line leaves of a page. From there on, some sizes end
    # where a page does: the disk then takes a record whole, or not at all.
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
    """A record that takes so many bytes in a journal."""
    return b'{"id":"%b"}' % (b"x" * (size - len(pack(b'{"id":""}', 1))))


def test_a_file_in_the_place_of_the_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The app serves, one line says what to do, the ledger counts."""
    (tmp_path / "chest-journal").write_text("in the way")
    visits = Visits(tmp_path, Switch())
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
    """A read-only file system, which stops root as well."""
    with tmpfs(tmp_path / "chest-journal", "300k"):
        remount = ["mount", "-o", "remount,ro", str(tmp_path / "chest-journal")]
        subprocess.run(remount, check=True)
        visits = Visits(tmp_path, Switch())
        visits.send(5)
        assert visits.account()["lost"] == {"journal": 5}
        assert caplog.text.count("CHEST_JOURNAL_DIR") == 1
        visits.chest.close()


def test_a_journal_removed_while_in_use(tmp_path: Path) -> None:
    """Nothing that somebody deletes makes the numbers wrong, or keeps later records away."""
    store = Switch()
    visits = Visits(tmp_path, store)
    visits.send(5)
    assert visits.chest.flush(10)
    store.up = False
    visits.send(5)
    # At once: a folder in which delivery makes a file meanwhile cannot be removed.
    (tmp_path / "chest-journal").rename(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone", ignore_errors=True)
    rescan(visits.app)
    visits.send(5)
    store.up = True
    visits.check()
    assert len(store.idents) == 15
    visits.chest.close()


def test_another_file_system(tmp_path: Path) -> None:
    """The journal need not lie where the instance folder lies."""
    shared = Path("/dev/shm")
    if not shared.is_dir():
        pytest.skip("there is no other file system at /dev/shm")
    store = Switch()
    journal = shared / f"chest-{os.getpid()}"
    visits = Visits(tmp_path, store, CHEST_JOURNAL_DIR=str(journal))
    visits.send(3)
    visits.check()
    visits.chest.close()
    for path in journal.iterdir():
        path.unlink()
    journal.rmdir()


def test_files_of_strangers(tmp_path: Path) -> None:
    """They are left alone, and in nobody's way."""
    store = Switch()
    store.up = False
    visits = Visits(tmp_path, store)
    visits.send(3)
    [folder] = [path.parent for path in (tmp_path / "chest-journal").glob("*/writer.json")]
    strange = ["²².segment", "notes.segment", "00000001.segment.bak", "0.place.999.new"]
    for name in strange:
        (folder / name).write_text("strange")
        (folder.parent / name).write_text("strange")
    (folder / "00000007.segment").mkdir()
    (folder.parent / "photos").mkdir()
    (folder.parent / "photos" / "writer.json").write_text("{}")
    (folder.parent / ".hidden").mkdir()
    rescan(visits.app)
    store.up = True
    assert visits.chest.flush(10)
    assert len(store.idents) == 3
    visits.chest.close()
    assert (tmp_path / "chest-journal" / "photos" / "writer.json").read_text() == "{}"
    assert all((tmp_path / "chest-journal" / name).exists() for name in strange)
