"""The current process id, and ids that differ between processes."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flask_chest._speedups import COMPILED, IdMaker, _python
from tests.servers.programs import skip_without
from tests.torture.processes import visit

from .sides import NOW

FORKED = """
import ctypes, os
from flask_chest._process_lock import current_process
from flask_chest.record.request_and_record_ids import record_ids as ids

first = current_process()

# The random start of the counter; its last digits change with each id.
def tell():
    print(current_process() == first, ids.make(0)[16:24], flush=True)

tell()
# Without Python's fork hooks, as uWSGI forks.
child = ctypes.CDLL(None).fork()
if not child:
    tell()
    os._exit(0)
os.waitpid(child, 0)
tell()
"""


def test_a_fork_without_pythons_hooks() -> None:
    """A child of a fork without Python's hooks is seen as another process with its own ids."""
    command = [sys.executable, "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    told = [line.split() for line in done.stdout.splitlines()]
    assert [each for each, _ in told] == ["True", "False", "True"]
    assert len({number for _, number in told}) == 2


# The exit statuses if the child had inherited a lock of the interpreter, and of "timeout".
_STUCK = (75, 137, -9)

IN_NEW_NAMESPACE = """
import ctypes, json, os, select, sys, threading
from tests.torture.app import make_torture_app
from pathlib import Path
from flask_chest.delivery.exporter import existing_exporter
from flask_chest.record.request_and_record_ids import record_ids

# Keeps Python's global lock during the fork, as servers do that fork in C.
c = ctypes.PyDLL(None)
app = make_torture_app(Path(sys.argv[1]), **json.loads(sys.argv[2]))
client = app.test_client()

def send(who, count):
    for number in range(count):
        assert client.get(f"/put/{who}-{number}").status_code == 200

assert os.getpid() == 1
send("parent", 5)

def fork_into_namespace():
    # Without Python's hooks, a lock of the interpreter may be held in the child for ever by a
    # thread that does not exist there. Such a child cannot start a thread, whatever we do.
    assert c.unshare(0x20000000) == 0
    told, tell = os.pipe()
    child = c.fork()
    if not child:
        thread = threading.Thread(target=os.write, args=(tell, b"alive"))
        thread.start()
        thread.join()
    elif not select.select([told], [], [], 20)[0]:
        os.kill(child, 9)
        os._exit(75)
    return child

def tell_id():
    # In one call: two processes write at the same time.
    os.write(1, f"ids {record_ids.make(0)[16:24]}\\n".encode())

# A thread may be inside SQLite, or import something: a fork copies these locks as well.
existing_exporter().before_fork(60)
child = fork_into_namespace()
if not child:
    assert os.getpid() == 1
    send("child", 20)
    tell_id()
    app.extensions["chest"].close()
    os._exit(0)
existing_exporter().after_fork_in_parent()
send("parent-later", 20)
tell_id()
assert os.waitpid(child, 0)[1] == 0
app.extensions["chest"].close()
"""


@pytest.mark.server
@pytest.mark.skipif(not COMPILED, reason="pure Python goes by the process id")
def test_a_child_with_the_process_id_of_its_parent(tmp_path: Path) -> None:
    """A fork without Python's hooks into a new PID namespace repeats no id, and shares no file."""
    wrapper = ["unshare", "--pid", "--fork"]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        skip_without("the right to make a PID namespace")
    config: dict[str, Any] = {"CHEST_CHESTS": ["sqlite:///chest.db"]}
    for attempt in range(10):
        folder = tmp_path / str(attempt)
        command = [sys.executable, "-c", IN_NEW_NAMESPACE, str(folder), json.dumps(config)]
        limited = ["timeout", "--signal=KILL", "40", *wrapper, "--kill-child", *command]
        done = subprocess.run(limited, capture_output=True, text=True, check=False)
        if done.returncode not in _STUCK:
            break
    assert done.returncode == 0, done.stderr
    ledger, log = visit(folder, 1, **config)
    assert ledger["captured"] == ledger["delivered"] == 46, log
    with closing(sqlite3.connect(folder / "chest.db")) as store:
        assert store.execute("SELECT count(*) FROM chest_records").fetchone() == (46,)
    found = [line for line in done.stdout.splitlines() if line.startswith("ids")]
    assert len(set(found)) == 2, done.stdout + done.stderr


def test_ids_are_the_same() -> None:
    """Both implementations return the same id for a time, except for the random bits."""
    for moment in (0, 999, 1000, NOW, NOW + 1, 2**50):
        made = [maker.make(moment) for maker in (IdMaker(), _python.IdMaker())]
        assert made[0][:16] == made[1][:16]
        assert [each[16] in "89ab" for each in made] == [True, True]
    with pytest.raises(TypeError):
        IdMaker().make("now")  # type: ignore[arg-type]
