"""What another user of the machine cannot do with the journal."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from flask import g

from flask_chest import Chest, Record
from flask_chest.cli.output_file import atomic_file
from flask_chest.delivery.dead_letters import DeadLetters, bury
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.ledger_of_all_processes import add_to_totals, read_ledger
from flask_chest.delivery.ledger import Ledger
from flask_chest.errors import RejectedError
from tests.apps import make_app

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change an owner")
LINE = b'{"id":"0190a1b2c3d47000a000000000000001","time":1}'


def visit(folder: Path, journal: Path) -> dict[str, int]:
    """Send one request to an app with this journal; return the losses by reason."""
    app = make_app(folder, CHEST_CHESTS=["memory://"], CHEST_JOURNAL_DIR=str(journal))
    app.add_url_rule("/", view_func=lambda: "ok")
    assert app.test_client().get("/").text == "ok"
    chest = app.extensions["chest"]
    chest.flush(10)
    account = chest.stats()["chests"]["memory"]
    chest.close()
    assert account["captured"] == 1
    return {reason: count for reason, count in account["lost"].items() if count}


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o2777, 0o770, 0o720])
def test_a_folder_that_others_may_write_to_is_refused(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The request is served, its record is lost and counted, and the log has the remedy."""
    journal = tmp_path / "journal"
    journal.mkdir()
    journal.chmod(mode)
    assert visit(tmp_path, journal) == {"journal": 1}
    assert list(journal.iterdir()) == []
    assert "set CHEST_JOURNAL_DIR to a folder that does not exist yet" in caplog.text
    assert visit(tmp_path, journal / "inside") == {}


@needs_root
def test_a_folder_of_another_user_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another user has made the app's folder in ``/tmp`` first, or has put a link there."""
    tmp_path.chmod(0o1777)
    journal, link = tmp_path / "journal", tmp_path / "link"
    journal.mkdir(mode=0o700)
    os.chown(journal, 12345, 12345)
    assert visit(tmp_path, journal) == {"journal": 1}
    assert "belongs to another user (uid 12345)" in caplog.text
    link.symlink_to(tmp_path / "safe")
    (tmp_path / "safe").mkdir(mode=0o700)
    os.lchown(link, 12345, 12345)
    with pytest.raises(PermissionError, match="symbolic link of another user"):
        add_to_totals(JournalScope(link), Ledger())
    assert list(journal.iterdir()) == []


def test_a_folder_that_a_group_shares_on_purpose(tmp_path: Path) -> None:
    """With the set-group-ID bit it is accepted, and the group can use all that is in it."""
    journal = tmp_path / "journal"
    journal.mkdir()
    journal.chmod(0o2770)
    scope = JournalScope(journal, chests=("memory",))
    before = os.umask(0o077)
    try:
        assert visit(tmp_path, journal) == {}
        DeadLetters(scope, "memory").add([LINE], "bad")
    finally:
        os.umask(before)
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in journal.rglob("*")}
    assert found.pop("dead") == 0o2770
    assert {"ledger.json", "ledger.lock", "ledger.spare", "memory.ndjson"} < {*found}
    assert {*found.values()} == {0o660}


def test_links_with_the_names_of_our_files(tmp_path: Path) -> None:
    """No link makes Flask-Chest write to the file that it points to."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    root = tmp_path / "journal"
    scope = JournalScope(root, chests=("x",))
    DeadLetters(scope, "x").add([LINE], "bad")
    (root / f"ledger.json.{os.getpid()}.new").symlink_to(victim)
    change = Ledger()
    change.account("x").delivered = 1
    add_to_totals(scope, change)
    assert read_ledger(scope).account("x").delivered == 1
    for name in ("ledger.lock", "dead/x.ndjson", "dead/x.lock"):
        (root / name).unlink()
        (root / name).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        add_to_totals(scope, change)
    with pytest.raises(OSError, match="symbolic links"):
        DeadLetters(scope, "x").add([LINE], "bad")
    assert victim.read_text() == "precious"


def test_an_export_is_private_and_has_no_name_to_guess(tmp_path: Path) -> None:
    """While it is written it has a random name; then only its owner may read it."""
    output = tmp_path / "records.ndjson"
    (tmp_path / f".records.ndjson.{os.getpid()}").symlink_to(tmp_path / "victim")
    with atomic_file(str(output)) as file:
        file.write(b"{}\n")
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert not (tmp_path / "victim").exists()


class Picky(Chest):
    """Rejects every record."""

    def write(self, records: Sequence[Record]) -> None:
        raise RejectedError("no")


def test_dead_letters_have_a_limit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The oldest are dropped, the loss is logged and counted, and the ledger adds up."""
    app = make_app(tmp_path, CHEST_CHESTS=[Picky(name="picky")], CHEST_BUFFER_MAX_BYTES=2**20)

    @app.get("/<int:number>")
    def fill(number: int) -> str:
        for name in "abcdef":
            setattr(g, name, f"{number:05}" * 1600)
        return "ok"

    for number in range(40):
        app.test_client().get(f"/{number}")
    app.extensions["chest"].flush(30)
    letters = DeadLetters(JournalScope(tmp_path / "chest-journal"), "picky")
    account = app.extensions["chest"].stats()["chests"]["picky"]
    app.extensions["chest"].close()
    assert letters.path.stat().st_size <= 2**20
    assert 10 < len(letters.read()) == account["rejected"] < 40
    assert account["rejected"] + account["lost"]["dead_letters"] == account["captured"] == 40
    assert b"00039" in letters.read()[-1].line
    assert "dead letters are lost" in caplog.text


def test_no_dead_letter_is_dropped_during_a_replay(tmp_path: Path) -> None:
    """A replay puts letters back by their position, so they are dropped after it."""
    scope = JournalScope(tmp_path, chests=("x",))
    replayed = DeadLetters(scope, "x")
    for number in range(3):
        bury(scope, "x", [LINE], f"bad {number}", 10**6)
    assert replayed.replay_lock.acquire()
    bury(scope, "x", [LINE], "bad 3", 200)
    assert len(replayed.read()) == 4
    replayed.replay_lock.release()
    bury(scope, "x", [LINE], "bad 4", 200)
    assert [letter.reason for letter in replayed.read()] == ["bad 4"]
    account = read_ledger(scope).account("x")
    assert (account.rejected, account.lost["dead_letters"]) == (-4, 4)
