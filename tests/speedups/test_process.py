"""The current process id, and ids that differ between processes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from flask_chest._speedups import COMPILED, IdMaker, _python
from tests.servers.programs import skip_without

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


IN_NEW_NAMESPACE = """
import ctypes, os, sys
from tests.torture.app import make_torture_app
from pathlib import Path
from flask_chest.record.request_and_record_ids import record_ids

# Keeps Python's global lock during the fork, as servers do that fork in C: in the child of a fork
# without it, a thread that does not exist there may hold the lock for ever.
c = ctypes.PyDLL(None)
app = make_torture_app(Path(sys.argv[1]), CHEST_CHESTS=["sqlite:///chest.db"])
client = app.test_client()

def send(who, count):
    for number in range(count):
        assert client.get(f"/put/{who}-{number}").status_code == 200

assert os.getpid() == 1
send("parent", 5)
# A thread that delivers may be inside SQLite, whose locks a fork would copy as well.
assert app.extensions["chest"].flush(60)
assert c.unshare(0x20000000) == 0
child = c.fork()
if not child:
    assert os.getpid() == 1
    send("child", 20)
    print("ids", record_ids.make(0)[16:24], flush=True)
    app.extensions["chest"].close()
    os._exit(0)
send("parent-later", 20)
print("ids", record_ids.make(0)[16:24], flush=True)
assert os.waitpid(child, 0)[1] == 0
app.extensions["chest"].close()
print(app.extensions["chest"].stats()["chests"]["sqlite"])
"""


@pytest.mark.server
@pytest.mark.skipif(not COMPILED, reason="pure Python goes by the process id")
def test_a_child_with_the_process_id_of_its_parent(tmp_path: Path) -> None:
    """A fork without Python's hooks into a new PID namespace repeats no id, and shares no file."""
    wrapper = ["unshare", "--pid", "--fork"]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        skip_without("the right to make a PID namespace")
    command = [*wrapper, sys.executable, "-c", IN_NEW_NAMESPACE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with closing(sqlite3.connect(tmp_path / "chest.db")) as store:
        assert store.execute("SELECT count(*) FROM chest_records").fetchone() == (45,)
    assert "'captured': 45, 'delivered': 45" in done.stdout
    child, parent = (line for line in done.stdout.splitlines() if line.startswith("ids"))
    assert child != parent


def test_ids_are_the_same() -> None:
    """Both implementations return the same id for a time, except for the random bits."""
    for moment in (0, 999, 1000, NOW, NOW + 1, 2**50):
        made = [maker.make(moment) for maker in (IdMaker(), _python.IdMaker())]
        assert made[0][:16] == made[1][:16]
        assert [each[16] in "89ab" for each in made] == [True, True]
    with pytest.raises(TypeError):
        IdMaker().make("now")  # type: ignore[arg-type]
