"""Each example of docs/archive.rst, with the tool that it is about."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from flask_chest.archive.store_archive import StoreArchive

from .. import ROOT
from ..chests.sql.helpers import make_sqlite_chest
from .source_suite import HOUR, sample

pytestmark = pytest.mark.server

PAGE = (ROOT / "docs" / "archive.rst").read_text(encoding="utf-8")


def examples() -> dict[str, str]:
    """The examples by the library that they import."""
    found = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE)
    texts = [re.sub(r"^   ", "", text, flags=re.MULTILINE) for text in found]
    return {re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)[-1]: text for text in texts}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of an app whose archive has two files with other columns."""
    instance = tmp_path / "instance"
    chest = make_sqlite_chest(instance)
    records = sample(60)
    chest.write(records)
    store = StoreArchive(chest, str(instance / "chest-archive"))
    assert store.maintain(HOUR + 3600, None, threading.Event())
    whole_numbers = zip(sample(2, 600), (98, 101), strict=True)
    chest.write([replace(record, vars={"total": total}) for record, total in whole_numbers])
    assert store.maintain(HOUR + 3600, None, threading.Event())
    assert len(list(instance.rglob("*.parquet"))) == 2
    return tmp_path


def run(library: str, folder: Path, before: str = "") -> str:
    """Run an example in a process of its own; return what it prints."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    script = before + examples()[library]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_duckdb(folder: Path) -> None:
    assert run("duckdb", folder) == "[('/orders/<int:id>', 62, 99.5)]\n"


def test_pandas(folder: Path) -> None:
    assert re.search(r"/orders/<int:id> +62 +99\.5", run("pandas", folder))


def test_polars(folder: Path) -> None:
    before = "from pathlib import Path\n"
    assert re.search(r"│ /orders/<int:id> ┆ 62 +┆ 99\.5", run("polars", folder, before))


def test_clickhouse(folder: Path) -> None:
    (row,) = json.loads(run("chdb", folder))["data"]
    assert (row["route"], int(row["records"]), row["total"]) == ("/orders/<int:id>", 62, 99.5)


def test_spark(folder: Path) -> None:
    assert re.search(r"/orders/<int:id>\| +62\| *99\.5", run("pyspark", folder))
