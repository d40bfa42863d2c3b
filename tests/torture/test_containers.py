"""Containers, made of namespaces: each is process 1 on its own root, and all share one volume."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from flask_chest.delivery.journal.file_names import writer_folders
from tests import ROOT
from tests.servers.programs import skip_without
from tests.waiting import wait_until

from .app import CONFIG, INSTANCE
from .processes import visit

pytestmark = pytest.mark.server

# $1 is the volume's folder on the host, $2 where the container has it, $3 its instance folder. The
# root is read-only; the instance folder is a tmpfs that ends with the container.
_START = """
set -e
mkdir -p "$2" "$3"
mount --bind "$1" "$2"
mount -t tmpfs -o mode=755 tmpfs "$3"
mount -o remount,bind,ro /
mount -t proc proc /proc
shift 3
exec "$@"
"""

# Serves one request per line of standard input, and answers with the status and the process id.
_POD = """
import os, sys
from tests.torture.app import create_app
client = create_app().test_client()
for line in sys.stdin:
    print(client.get("/put/" + line.strip()).status_code, os.getpid(), flush=True)
"""

# The same with nothing but the public interface, for other versions of Flask-Chest.
_OTHER_POD = f"""
import json, os, sys
from flask import Flask, g
from flask_chest import FlaskChest
app = Flask("tortured", root_path={str(ROOT)!r}, instance_path=os.environ[{INSTANCE!r}])
app.config.update({{"CHEST_EXPORT_INTERVAL": 0.1, **json.loads(os.environ[{CONFIG!r}])}})
FlaskChest(app)

@app.get("/put/<ident>")
def put(ident):
    g.ident = ident
    return ident

client = app.test_client()
for line in sys.stdin:
    print(client.get("/put/" + line.strip()).status_code, os.getpid(), flush=True)
"""


class Pod:
    """A container that serves requests.

    :param volume: the folder on the host that all pods share.
    :param home: where the pod has its instance folder and its mount of the volume.
    :param python: an interpreter with another version of Flask-Chest.
    """

    def __init__(
        self, volume: Path, home: Path, *, python: str | None = None, **config: Any
    ) -> None:
        mounted, instance = home / "volume", home / "instance"
        config = {
            "CHEST_JOURNAL_DIR": str(mounted / "journal"),
            "CHEST_CHESTS": [f"sqlite:///{mounted}/chest.db"],
            **config,
        }
        self._process = subprocess.Popen(
            [
                *("unshare", "--pid", "--fork", "--mount", "--uts", "--ipc", "--kill-child"),
                *("sh", "-c", _START, "sh", str(volume), str(mounted), str(instance)),
                *(python or sys.executable, "-c", _POD if python is None else _OTHER_POD),
            ],
            cwd=ROOT if python is None else home.parent,
            env={
                **os.environ,
                "PYTHONDONTWRITEBYTECODE": "1",
                INSTANCE: str(instance),
                CONFIG: json.dumps(config),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.sent: list[str] = []

    def send(self, *names: str) -> None:
        """Send requests; each must be answered, by a process that is number 1."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        for name in names:
            self._process.stdin.write(f"{name}\n")
            self._process.stdin.flush()
            assert self._process.stdout.readline().split() == ["200", "1"]
            self.sent.append(name)

    def stop(self) -> None:
        """End the pod as an orchestrator does that is not in a hurry: its input ends."""
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def kill(self) -> None:
        """Kill all processes of the pod."""
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate(timeout=60)


@contextmanager
def pods(*started: Pod) -> Iterator[None]:
    """Kill pods that a failing test has left."""
    try:
        yield
    finally:
        for pod in started:
            pod.kill()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume; the test is skipped where no namespaces can be made."""
    probe = ["unshare", "--pid", "--fork", "--mount", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        skip_without("the right to make PID and mount namespaces")
    made = tmp_path / "volume"
    made.mkdir(mode=0o755)
    return made


def stored(volume: Path) -> list[str]:
    if not (volume / "chest.db").exists():
        return []
    with closing(sqlite3.connect(volume / "chest.db")) as store:
        try:
            rows = store.execute("SELECT vars ->> 'ident' FROM chest_records").fetchall()
        except sqlite3.OperationalError:
            return []  # the pod has made the file, and not the table yet
    return sorted(ident for (ident,) in rows)


def wait_for(volume: Path, expected: list[str]) -> None:
    wait_until(
        lambda: stored(volume) == sorted(expected),
        lambda: f"{len(stored(volume))} of {len(expected)} are stored",
        60,
    )


def wait_for_folders(volume: Path, count: int) -> None:
    """Wait until the folders of pods that were killed are gone."""
    journal = volume / "journal"
    wait_until(
        lambda: len(writer_folders(journal)) == count, lambda: f"{writer_folders(journal)}", 60
    )


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def test_two_pods_on_one_volume(volume: Path, tmp_path: Path) -> None:
    """Both are process 1. One is killed; the other delivers what that one answered."""
    one, two = Pod(volume, tmp_path / "one"), Pod(volume, tmp_path / "two")
    with pods(one, two):
        one.send(*names("one", 30))
        two.send(*names("two", 30))
        one.kill()
        two.send("later")
        wait_for(volume, [*one.sent, *two.sent])
        wait_for_folders(volume, 1)
        two.stop()
    assert writer_folders(volume / "journal") == []


def test_a_rolling_restart(volume: Path, tmp_path: Path) -> None:
    """New pods start before old ones end, in other folders; nothing is missing or twice."""
    old = [Pod(volume, tmp_path / f"old-{number}") for number in range(2)]
    new = [Pod(volume, tmp_path / f"new-{number}") for number in range(2)]
    with pods(*old, *new):
        for number in range(2):
            old[number].send(*names(f"old-{number}", 20))
            new[number].send(*names(f"new-{number}", 20))
            old[number].stop() if number else old[number].kill()
            new[number].send(*names(f"new-{number}-after", 20))
        wait_for(volume, [ident for pod in (*old, *new) for ident in pod.sent])
        wait_for_folders(volume, 2)
        for pod in new:
            pod.stop()
    assert writer_folders(volume / "journal") == []


def test_a_rolling_restart_with_two_versions(volume: Path, tmp_path: Path) -> None:
    """An older version and this one share the volume, first one way, then back: a failed release.

    ``CHEST_TEST_OLD_PYTHON`` is an interpreter of an environment with the older version.
    """
    python = os.environ.get("CHEST_TEST_OLD_PYTHON")
    if not python:
        pytest.skip("CHEST_TEST_OLD_PYTHON names no interpreter with an older version")
    old = [Pod(volume, tmp_path / f"old-{number}", python=python) for number in range(3)]
    new = [Pod(volume, tmp_path / f"new-{number}") for number in range(2)]
    with pods(*old, *new):
        old[0].send(*names("old-0", 20))
        new[0].send(*names("new-0", 20))
        old[1].send(*names("old-1", 20))
        old[0].kill()
        old[1].stop()
        new[1].send(*names("new-1", 20))
        new[0].kill()
        old[2].send(*names("old-2", 20))
        new[1].stop()
        old[2].send(*names("old-2-after", 20))
        wait_for(volume, [ident for pod in (*old, *new) for ident in pod.sent])
        old[2].stop()
    assert writer_folders(volume / "journal") == []


def test_an_instance_folder_that_ends_with_its_pod(volume: Path, tmp_path: Path) -> None:
    """A store was down when the pod was killed; a pod of the next day delivers its records."""
    down: dict[str, Any] = {"CHEST_CHESTS": [{"url": "https://127.0.0.1:9/", "name": "store"}]}
    first = Pod(volume, tmp_path / "first", **down)
    with pods(first):
        first.send(*names("first", 25))
        first.kill()
    up = [{"url": f"sqlite:///{tmp_path}/second/volume/chest.db", "name": "store"}]
    second = Pod(volume, tmp_path / "second", CHEST_CHESTS=up)
    with pods(second):
        second.send("second")
        wait_for(volume, [*first.sent, "second"])
        second.stop()
    assert writer_folders(volume / "journal") == []


def test_a_user_namespace(volume: Path, tmp_path: Path) -> None:
    """In a rootless container root is another user outside; folders of nobody are no obstacle."""
    wrapper = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        skip_without("the right to make a user namespace")
    ledger, log = visit(volume, 20, wrapper=wrapper)
    assert ledger["delivered"] == ledger["captured"] == 20, log
    os.chown(volume / "chest-journal", 54321, 54321)
    ledger, log = visit(volume, 5, wrapper=wrapper)
    assert ledger["statuses"] == [200]
    assert "Permission denied" in log
