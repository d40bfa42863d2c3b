"""``flask-chest --chest URL ...``: reads a store without the app that wrote it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner, Result

from flask_chest.cli.standalone import main

from ..apps import make_app
from .shop import RANGE, cells, lines_of


def call(url: str, *arguments: str) -> Result:
    """Run a command of ``flask-chest`` on a store."""
    return CliRunner().invoke(main, ["--chest", url, *arguments])


@pytest.fixture
def url(stored: Path, tmp_path: Path) -> str:
    """The URL of a copy of a store with 600 records."""
    return f"sqlite:///{shutil.copy(stored, tmp_path)}"


def test_the_commands_that_read(url: str) -> None:
    """stats, tail, show and export read a file that another app has written."""
    lines = call(url, "stats", *RANGE).stdout.splitlines()
    assert cells(lines[0])[:2] == ["route", "count"]
    records = lines_of(call(url, "export"))
    assert len(records) == 600
    assert len(lines_of(call(url, "tail", "--no-follow", "--json", "--lines", "7"))) == 7
    shown = call(url, "show", records[5]["id"])
    assert records[5]["request_id"] in shown.stdout


def test_only_commands_that_read() -> None:
    """No command deletes, delivers or needs an app."""
    assert set(main.commands) & {"prune", "forget", "replay", "agent", "rules", "import"} == set()


def test_python_m(url: str) -> None:
    """``python -m flask_chest`` is the same; FLASK_CHEST holds a URL that ``ps`` must not show."""
    result = subprocess.run(
        [sys.executable, "-m", "flask_chest", "export"],
        env={**os.environ, "FLASK_CHEST": url, "FLASK_APP": "there.is.no.such.app"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert len(result.stdout.splitlines()) == 600


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:///nowhere.db", "no records have been stored in {folder}/nowhere.db"),
        ("sqlite:///empty.db", "no records have been stored in {folder}/empty.db"),
        ("sqlite:///text.db", "chest 'sqlite' at {folder}/text.db: DatabaseError"),
        ("text.db", "--chest: a file needs a scheme: sqlite:///text.db"),
        ("sqlit:///text.db", "--chest: unknown scheme 'sqlit'; did you mean 'sqlite'"),
        ("https://example.com/", "records cannot be read back from https://example.com"),
        ("kafka://broker/topic", "records cannot be read back from kafka://broker"),
        ("", "name the store before the command: flask-chest --chest sqlite:///chest.db export"),
    ],
)
def test_stores_that_cannot_be_read(
    url: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is one sentence, and no file appears."""
    (tmp_path / "text.db").write_bytes(b"text" * 1000)
    (tmp_path / "empty.db").touch()
    monkeypatch.chdir(tmp_path)
    result = call(url, "export")
    assert result.exit_code in {1, 2}
    assert result.stdout == ""
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert line.startswith(f"Error: {message.format(folder=tmp_path)}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "text.db"]


def test_a_database_of_something_else(tmp_path: Path) -> None:
    """The command creates no table, and does not report an empty store."""
    import sqlite3

    with closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
        connection.execute("CREATE TABLE songs (title)")
    result = call(f"sqlite:///{tmp_path / 'other.db'}", "stats")
    assert result.exit_code == 1
    assert "the file or its table does not exist" in result.stderr
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("songs",)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who may only read")
def test_a_folder_that_the_user_may_only_read(stored: Path) -> None:
    """SQLite cannot create its two side files there, but the records can be read."""
    # Outside of pytest's folder, which no other user may look into.
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        copied = Path(shutil.copy(stored, folder))
        copied.chmod(0o644)
        # The first command imports what this user may not be allowed to read.
        warm_up = ["--chest", f"sqlite:///{stored}", "tail", "--no-follow", "--lines", "0"]
        program = (
            "import os; from flask_chest.cli.standalone import main; "
            f"main({warm_up!r}, standalone_mode=False); "
            f"os.setuid(65534); main(['--chest', 'sqlite:///{copied}', 'export'])"
        )
        result = subprocess.run(
            [sys.executable, "-c", program], cwd="/", capture_output=True, check=False, timeout=60
        )
        assert len(result.stdout.splitlines()) == 600, result.stderr
        assert [path.name for path in Path(folder).iterdir()] == ["chest.db"]


def test_a_store_in_use(tmp_path: Path) -> None:
    """The records of a running app are read while the app holds its connection."""
    app = make_app(tmp_path)
    app.add_url_rule("/", view_func=lambda: "ok")
    app.test_client().get("/")
    extension = app.extensions["chest"]
    assert extension.flush(60)
    [record] = lines_of(call(f"sqlite:///{tmp_path / 'chest.db'}", "export"))
    assert record["route"] == "/"
    extension.close()
