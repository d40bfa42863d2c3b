"""``flask chest export``."""

from __future__ import annotations

import csv
import io
import os
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from flask_chest import Record
from flask_chest.app.state import get_state
from flask_chest.cli.output_file import atomic_file
from tests import ROOT

from ..query.records import sample_records
from .shop import lines_of, make_shop, run


def test_export_and_import(shop: Flask, tmp_path: Path) -> None:
    """An export can be imported; a second import adds nothing."""
    file = tmp_path / "out.ndjson"
    assert run(shop, "export", "--output", str(file)).exit_code == 0
    other = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///other.db"])
    for _ in range(2):
        assert run(other, "import", str(file)).stdout == "600 imported\n"
    assert run(other, "export").stdout_bytes == file.read_bytes()
    some = run(other, "export", "--where", "user_id=3", "--since", "2026-11-20T11:00")
    assert 0 < len(lines_of(some)) < 600


def test_a_failed_export(shop: Flask, tmp_path: Path) -> None:
    """A failed export leaves the existing file unchanged, and no temporary file."""
    file = tmp_path / "out" / "all.ndjson"
    file.parent.mkdir()
    command = ["export", "--output", str(file)]
    assert run(shop, *command).exit_code == 0
    before = file.read_bytes()
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    assert run(shop, *command).exit_code == 1
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_export_to_a_pipe_and_a_link(shop: Flask, tmp_path: Path) -> None:
    """A pipe is written to, not replaced; for a symbolic link, its target is written."""
    command = ["export", "--since", "2026-11-20T11:50", "--output"]
    pipe, link, file = (tmp_path / name for name in ("pipe", "link", "some.ndjson"))
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open(reading, "rb") as output:
        assert run(shop, *command, str(pipe)).exit_code == 0
        content = output.read()
    assert len(content.splitlines()) == 10
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    link.symlink_to(file.name)
    assert run(shop, *command, str(link)).exit_code == 0
    assert link.is_symlink()
    assert file.read_bytes() == content
    failed = run(shop, *command, str(tmp_path / "nowhere" / "some.ndjson"))
    assert failed.exit_code == 1
    assert "nowhere/some.ndjson': No such file or directory" in failed.output


def test_export_as_csv(shop: Flask) -> None:
    """Each variable of --column gets a column."""
    options = ["--format", "csv", "--column", "user_id", "--column", "mixed"]
    rows = list(csv.DictReader(io.StringIO(run(shop, "export", *options).stdout)))
    assert len(rows) == 600
    assert {"'=cmd()", "true", "", "1"} <= {row["vars.mixed"] for row in rows}
    assert rows[-1]["request_id"] == "request-0"


# The limit is on private memory: pages that SQLite maps are the kernel's cache.
SCRIPT = """
import resource, sys
from pathlib import Path
from tests.cli.shop import make_shop
from flask_chest.cli import chest
app = make_shop(Path(sys.argv[1]))
app.test_cli_runner().invoke(chest, ["export", "--until", "1980-01-01"])
status = Path("/proc/self/status").read_text()
[data] = [line.split()[1] for line in status.splitlines() if line.startswith("VmData")]
limit = int(data) * 1024 + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
with app.app_context():
    chest.main(["export", "--output", sys.argv[1] + "/out"], standalone_mode=False)
"""


@pytest.mark.server
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this limit")
def test_export_takes_constant_memory(tmp_path: Path) -> None:
    """The export of many records needs the memory of one page of records."""
    room = 20_000_000
    app = make_shop(tmp_path)
    [chest] = get_state(app).chests
    for part in range(20):
        chest.write(list(padded(sample_records(1000), part)))
    chest.close()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), str(room)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").stat().st_size > 2 * room


def padded(records: list[Record], part: int) -> list[Record]:
    return [
        replace(
            record,
            id=f"{record.id[:-2]}{part:02}",
            time=record.time - timedelta(days=part),
            vars={"pad": "x" * 2000},
        )
        for record in records
    ]


@pytest.mark.parametrize(
    "arguments", [("export", "--output"), ("forget", "--where", "user_id=42", "--export")]
)
def test_others_cannot_read_an_export(shop: Flask, tmp_path: Path, arguments: list[str]) -> None:
    """A new file has mode 0600, already while it is written; an existing one keeps its mode."""
    file = tmp_path / "out"
    assert run(shop, *arguments, str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    assert run(shop, *arguments, str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_draft_that_others_cannot_read(tmp_path: Path) -> None:
    """A half-written export is as private as the finished one."""
    with atomic_file(str(tmp_path / "out")) as file:
        file.write(b"x")
        [draft] = tmp_path.iterdir()
        assert draft.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
