"""``flask chest replay``: rejected records are sent again."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT

from .app import environment, make_torture_app
from .oracle import Oracle
from .store import FaultyStore

# Whole processes and large journals: too long for the fast tests.
pytestmark = pytest.mark.server


def test_rejected_records_are_replayed(tmp_path: Path) -> None:
    """They are in dead/ and in the ledger; later the store accepts them, with a progress bar."""
    with FaultyStore() as store:
        config = {"CHEST_CHESTS": [{"url": store.url, "name": "web"}]}
        app = make_torture_app(tmp_path, **config)
        client = app.test_client()
        store.rejected = {"visit-3", "visit-7"}
        for number in range(10):
            client.get(f"/put/visit-{number}", headers={"X-Request-ID": f"visit-{number}"})
        app.extensions["chest"].flush(60)
        app.extensions["chest"].close()
        oracle = Oracle(tmp_path, store)
        assert sorted(set(store.idents()) | store.rejected) == [f"visit-{n}" for n in range(10)]
        assert (oracle.account("web").delivered, oracle.account("web").rejected) == (8, 2)

        told = replay(tmp_path, config)
        assert "web: 0 delivered, 2 left" in told
        assert oracle.account("web").rejected == 2

        store.rejected = set()
        told = replay(tmp_path, config)
        assert "100%" in told
        assert "web: 2 delivered, 0 left" in told
        assert len(store.idents()) == 10
        assert (oracle.account("web").delivered, oracle.account("web").rejected) == (10, 0)
        assert not list((tmp_path / "chest-journal" / "dead").glob("*.ndjson"))


def replay(folder: Path, config: Mapping[str, Any]) -> str:
    """Run the command on a terminal, and return its output."""
    our_end, its_end = pty.openpty()
    flask = [sys.executable, "-m", "flask", "--app", "tests.torture.app:create_app()"]
    env = {**os.environ, **environment(folder, **config)}
    with (
        os.fdopen(our_end, "rb", buffering=0) as terminal,
        subprocess.Popen(
            [*flask, "chest", "replay"], cwd=ROOT, env=env, stdout=its_end, stderr=its_end
        ) as process,
    ):
        os.close(its_end)
        shown = b""
        # Linux raises OSError when the other end of a terminal is closed.
        with suppress(OSError):
            while part := terminal.read(4096):
                shown += part
        assert process.wait(60) == 0, shown
    return shown.decode()
