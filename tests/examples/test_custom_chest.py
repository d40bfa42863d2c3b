"""The example of a custom chest."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from examples.custom_chest import FolderChest, create_app
from flask_chest.app.state import get_state
from flask_chest.errors import DeliveryError
from flask_chest.testing import check_chest, make_records
from tests import ROOT

from ..cli.shop import deliver, run


def test_conforms(tmp_path: Path) -> None:
    """The chest passes the suite that every chest must pass."""
    done = check_chest(
        lambda: FolderChest(tmp_path), read=lambda: [path.stem for path in tmp_path.glob("*.json")]
    )
    assert {"accepts", "ignores_duplicates", "closes"} <= set(done)


def test_unusable_folder(tmp_path: Path) -> None:
    """If the chest cannot write, the records wait, and the error names the folder."""
    (tmp_path / "file").touch()
    chest = FolderChest(tmp_path / "file")
    with pytest.raises(DeliveryError, match=str(tmp_path / "file")):
        chest.write(make_records(1))
    with pytest.raises(DeliveryError, match="no such folder"):
        chest.check()


def test_stats_forget_and_prune(tmp_path: Path) -> None:
    """The commands of ``flask chest`` read the files back and delete them."""
    app = create_app(tmp_path)
    for name in ("Ada", "Ada", "Grace"):
        app.test_client().get(f"/{name}")
    deliver(app)
    [chest] = get_state(app).chests
    old = datetime.now(timezone.utc) - timedelta(days=40)
    chest.write([replace(record, time=old) for record in make_records(3)])
    answer = json.loads(run(app, "stats", "--by", "name", "--json").stdout)
    counts = [(group["key"], group["count"]) for group in answer["groups"]]
    assert counts == [("Ada", 2), ("Grace", 1)]
    assert run(app, "forget", "--where", "name=Ada", "--yes").exit_code == 0
    assert run(app, "prune", "--older-than", "30 days", "--yes").stdout == "folder: 3 deleted\n"
    [left] = [json.loads(path.read_bytes()) for path in tmp_path.glob("records/*.json")]
    assert left["vars"] == {"name": "Grace"}


def test_main() -> None:
    """``python -m examples.custom_chest`` shows the file that a request left."""
    command = [sys.executable, "-m", "examples.custom_chest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    name, _, line = done.stdout.partition(" ")
    record = json.loads(line)
    assert name == f"{record['id']}.json", done.stderr
    assert record["vars"] == {"name": "Ada"}
