"""Several users of the machine work with one journal: the app's user, root, and others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.file_names import writer_folders
from flask_chest.delivery.journal.writer import JournalWriter

from .app import make_torture_app
from .processes import APP, OTHER, folder_of, run_as, settings, visit

pytestmark = pytest.mark.server

STATUS = ("-m", "flask", "--app", "tests.torture.app:create_app()", "chest", "status")


def owners(folder: Path) -> set[int]:
    return {path.stat().st_uid for path in folder.rglob("*")}


def test_the_status_of_root_creates_nothing() -> None:
    """``flask chest status`` as root, before and after the app's first record."""
    with folder_of(APP) as folder:
        run_as(0, *STATUS, **settings(folder))
        assert list(folder.iterdir()) == []
        ledger, _ = visit(folder, 20, user=APP)
        assert ledger["delivered"] == ledger["captured"] == 20
        (folder / "chest-journal" / "ledger.lock").unlink()
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        assert "tortured" not in run_as(0, *STATUS, **settings(folder))
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_what_root_makes_belongs_to_the_app() -> None:
    """Root runs the app first; the app's user then delivers, and shares one ledger with root."""
    with folder_of(APP) as folder:
        visit(folder / "instance", 10, user=0)
        assert owners(folder) == {APP}
        ledger, log = visit(folder / "instance", 10, user=APP)
        assert ledger["delivered"] == ledger["captured"] == 20, log


def test_records_of_root_are_delivered_by_the_app() -> None:
    """A root process that dies leaves records in a folder that the app's user can adopt."""
    with folder_of(APP) as folder:
        writer = JournalWriter(make_scope(folder), 2**20)
        writer.append(b'{"id":"0190a1b2c3d47000a000000000000001","time":1}', 1)
        writer.release()
        del writer
        assert owners(folder) == {APP}
        ledger, log = visit(folder, 1, user=APP)
        assert ledger["captured"] == 2, log


def make_scope(folder: Path) -> JournalScope:
    app = make_torture_app(folder, CHEST_CHESTS=["memory://"])
    scope = app.extensions["chest.state"].journal_scope
    assert isinstance(scope, JournalScope)
    return scope


def test_a_lock_of_root_from_an_older_version() -> None:
    """The app says so at once, serves, and exits in time, however many folders wait."""
    with folder_of(APP) as folder:
        visit(folder, 1, user=APP)
        root = folder / "chest-journal"
        os.chown(root / "ledger.lock", 0, 0)
        for _ in range(40):
            JournalWriter(make_scope(folder), 2**20).release()
        ledger, log = visit(folder, 20, user=APP)
        assert ledger["statuses"] == [200]
        assert ledger["exit_seconds"] < 5
        assert ledger["captured"] == 21
        assert f"Permission denied: '{root}/ledger.lock'" in log
        os.chown(root / "ledger.lock", APP, APP)
        ledger, _ = visit(folder, 1, user=APP)
        assert writer_folders(root) == []
        assert ledger["delivered"] == 22


def test_totals_that_the_app_may_not_read_are_kept() -> None:
    """The app does not replace the totals of root by its own."""
    with folder_of(APP) as folder:
        visit(folder, 5, user=APP)
        os.chown(folder / "chest-journal" / "ledger.json", 0, 0)
        _, log = visit(folder, 5, user=APP)
        assert "Permission denied" in log
        os.chown(folder / "chest-journal" / "ledger.json", APP, APP)
        ledger, _ = visit(folder, 5, user=APP)
        assert ledger["delivered"] == 15


def test_folders_of_other_users_are_named_in_the_status() -> None:
    """Status counts and names each folder that it cannot read, as text and as JSON."""
    with folder_of(APP) as folder:
        visit(folder, 1, user=APP)
        abandoned = JournalWriter(make_scope(folder), 2**20)
        abandoned.release()
        os.chown(abandoned.folder, 0, 0)
        printed = run_as(APP, *STATUS, **settings(folder))
        assert "1 folders of the journal belong to other users" in printed
        assert f"{abandoned.folder} (uid 0)" in printed
        _, log = visit(folder, 1, user=APP)
        assert f"{abandoned.folder} cannot be delivered: [Errno 13]" not in log
        printed = run_as(APP, *STATUS, "--json", **settings(folder))
        assert json.loads(printed.splitlines()[-1])["unreadable"] == [str(abandoned.folder)]
        closed = json.loads(run_as(OTHER, *STATUS, "--json", **settings(folder)).splitlines()[-1])
        assert closed["unreadable"] == [str(folder / "chest-journal")]
