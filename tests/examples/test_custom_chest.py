"""A chest of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from examples.custom_chest import FolderChest
from flask_chest.errors import DeliveryError
from flask_chest.testing import check_chest, make_records
from tests import ROOT


def test_it_keeps_the_rules_of_a_chest(tmp_path: Path) -> None:
    """The suite for backends finds nothing to complain about."""
    done = check_chest(
        lambda: FolderChest(tmp_path), read=lambda: [path.stem for path in tmp_path.glob("*.json")]
    )
    assert {"accepts", "ignores_duplicates", "closes"} <= set(done)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """Where it cannot write, the records wait, and the error says where."""
    (tmp_path / "file").touch()
    chest = FolderChest(tmp_path / "file")
    with pytest.raises(DeliveryError, match=str(tmp_path / "file")):
        chest.write(make_records(1))
    with pytest.raises(DeliveryError, match="no such folder"):
        chest.check()


def test_it_starts_by_one_line() -> None:
    """``python -m examples.custom_chest`` shows the file that a request left."""
    command = [sys.executable, "-m", "examples.custom_chest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    name, _, line = done.stdout.partition(" ")
    record = json.loads(line)
    assert name == f"{record['id']}.json", done.stderr
    assert record["vars"] == {"name": "Ada"}
