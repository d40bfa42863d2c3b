"""``flask chest forget``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from flask_chest.app.state import get_state
from flask_chest.cli import chest as chest_group
from flask_chest.delivery.dead_letters import DeadLetters
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.record.json_line import encode

from ..query.records import sample_records
from .shop import lines_of, make_shop, run


def test_forget(tmp_path: Path) -> None:
    """Erases one person's records from every store and from the dead letters."""
    app = make_shop(
        tmp_path, CHEST_CHESTS=["sqlite:///one.db", {"url": "sqlite:///two.db", "name": "two"}]
    )
    for chest in get_state(app).chests:
        chest.write(sample_records())
        chest.close()
    journal = JournalScope(get_state(app).journal_dir)
    DeadLetters(journal, "two").add([encode(record) for record in sample_records(10)], "refused")
    asked = app.test_cli_runner().invoke(
        chest_group, ["forget", "--where", "user_id=3"], input="n\n"
    )
    assert "86 in sqlite, 86 in two" in asked.output
    exported = tmp_path / "person.ndjson"
    assert run(app, "forget", "--where", "user_id=3", "--export", str(exported)).exit_code == 0
    assert len(exported.read_bytes().splitlines()) == 87
    [report] = lines_of(run(app, "forget", "--where", "user_id=3", "--yes", "--json"))
    assert report == {"erased": {"sqlite": 86, "two": 87}, "pending": {"sqlite": 0, "two": 0}}
    for name in ("sqlite", "two"):
        left = lines_of(run(app, "export", "--chest", name))
        assert len(left) == 514
        assert not [each for each in left if each["vars"]["user_id"] == 3]
    assert len(DeadLetters(journal, "two").read()) == 9


def test_forget_covers_removed_chests(tmp_path: Path) -> None:
    """Dead letters of a removed chest are erased; its pending records are reported."""
    gone = {"url": "http://127.0.0.1:1/hook", "name": "gone"}
    before = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///chest.db", gone], CHEST_EXPORTER="agent")
    before.test_client().get("/")
    before.extensions["chest"].close()
    app = make_shop(tmp_path)
    journal = JournalScope(get_state(app).journal_dir)
    records = [encode(record) for record in sample_records(10)]
    DeadLetters(replace(journal, app_name=app.name), "gone").add(records, "refused")
    DeadLetters(journal, "redis strangers").add([b'{"entry":"0-1","fields":{}}'], "no record")
    exported = tmp_path / "person.ndjson"
    command = ["forget", "--where", "user_id=3"]
    report = run(app, *command, "--export", str(exported)).stdout
    assert report == "sqlite: 0 exported\ngone: 1 exported\n"
    assert len(exported.read_bytes().splitlines()) == 1
    result = run(app, *command, "--yes", "--json")
    assert json.loads(result.stdout) == {
        "erased": {"sqlite": 0, "gone": 1},
        "pending": {"sqlite": 1, "gone": 1},
    }
    assert "gone: 1 records wait in the journal" in result.stderr
    assert len(DeadLetters(journal, "gone").read()) == 9


def test_forget_exports_each_record_once(tmp_path: Path) -> None:
    """The output counts the records of each store; a record in two stores is written once."""
    app = make_shop(
        tmp_path, CHEST_CHESTS=["sqlite:///one.db", {"url": "sqlite:///two.db", "name": "two"}]
    )
    mine = [each for each in sample_records() if each.vars["user_id"] == 3]
    for chest, records in zip(get_state(app).chests, (mine[:50], mine[40:60]), strict=True):
        chest.write(records)
        chest.close()
    exported = tmp_path / "person.ndjson"
    command = ["forget", "--where", "user_id=3", "--export", str(exported)]
    assert run(app, *command).stdout == "sqlite: 50 exported\ntwo: 20 exported\n"
    [report] = lines_of(run(app, *command, "--json"))
    assert report["exported"] == {"sqlite": 50, "two": 20}
    ids = [json.loads(line)["id"] for line in exported.read_bytes().splitlines()]
    assert sorted(ids) == sorted(each.id for each in mine[:60])


def test_forget_reports_unreadable_stores(tmp_path: Path) -> None:
    """The command names a store that it cannot read, and fails."""
    app = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///chest.db", "memory://"])
    result = run(app, "forget", "--where", "user_id=3", "--yes")
    assert result.exit_code == 1
    assert "sqlite: 0 erased" in result.output
    assert "cannot be read or erased from here: memory" in result.output


def test_forget_reports_unreadable_stores_with_dead_letters(tmp_path: Path) -> None:
    """The command fails for an unreadable store, even if it has erased dead letters."""
    app = make_shop(tmp_path, CHEST_CHESTS=["memory://"])
    journal = JournalScope(get_state(app).journal_dir)
    DeadLetters(journal, "memory").add([encode(record) for record in sample_records(10)], "refused")
    result = run(app, "forget", "--where", "user_id=3", "--yes", "--json")
    assert json.loads(result.stdout.splitlines()[0])["erased"] == {"memory": 1}
    assert result.exit_code == 1
    assert "cannot be read or erased from here: memory" in result.output
