"""A journal of version 1.0.0.dev0 is delivered by today's code."""

from __future__ import annotations

import json
import tarfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from flask_chest.app.state import get_state
from flask_chest.delivery.journal.ledger_of_all_processes import read_ledger
from flask_chest.operations.replay import Replay
from tests import ROOT
from tests.data.write_journal import FIRST_RECORDS, Store, make_app
from tests.torture.app import rescan

ARCHIVE = ROOT / "tests" / "data" / "journal-1.0.tar.gz"


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, Any]:
    """The records of the journal, which is unpacked into the test's folder."""
    with tarfile.open(ARCHIVE) as file:
        file.extractall(tmp_path, filter="data")
    found: dict[str, Any] = json.loads((tmp_path / "expected.json").read_text())
    return found


def as_json(store: Store) -> list[dict[str, Any]]:
    """Return the records of a store as the archive has them."""
    found: list[dict[str, Any]] = json.loads(
        json.dumps([asdict(record) for record in store.records], default=str)
    )
    return found


def test_a_journal_of_an_older_version(tmp_path: Path, expected: dict[str, Any]) -> None:
    """Each record reaches each chest once, the ledger adds up, and the dead letter is replayed."""
    main, down = Store("main"), Store("down")
    app = make_app(tmp_path, main, down)
    scope = get_state(app).journal_scope
    captured, delivered = expected["captured"], expected["delivered"]
    [rejected] = [record for record in captured if record["request_id"] == "request-7"]
    assert {record["kind"] for record in captured} == {"request", "command", "job"}
    before = read_ledger(scope).accounts
    assert (before["main"].delivered, before["main"].rejected) == (
        FIRST_RECORDS + len(delivered),
        1,
    )
    assert before["down"].pending == len(captured)

    app.test_client().get("/early")  # the first record starts the exporter
    rescan(app)
    assert app.extensions["chest"].flush(60)
    rescan(app)

    passed = {*delivered, rejected["id"]}
    waiting = [record for record in captured if record["id"] not in passed]
    assert [record for record in as_json(main) if record["route"] != "/early"] == waiting
    assert len(main.records) == len(waiting) + 1
    assert as_json(down) == captured

    replay = Replay(scope, main)
    assert [letter.reason for letter in replay.run()] == ["the store refuses it"]
    assert as_json(main)[-1] == rejected
    app.extensions["chest"].close()
    after = read_ledger(scope).accounts
    assert after["main"].captured == after["main"].delivered == FIRST_RECORDS + len(captured) + 1
    assert after["down"].captured == after["down"].delivered == len(captured)
    assert not list((tmp_path / "chest-journal").glob("*/*.segment"))
