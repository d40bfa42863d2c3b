"""Systems without names of Linux, paths that are no text, processes that change their user."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from flask_chest.delivery.journal.file_names import writer_folders
from flask_chest.delivery.journal.writer import JournalWriter

from .app import make_torture_app
from .processes import APP, folder_of, run, settings, shim, visit

pytestmark = pytest.mark.server

# Runs the rest of the command without names that macOS, the BSDs or musl do not have.
_WITHOUT_LINUX = """
import fcntl, os, select, signal, sys, time
missing = {
    os: "fdatasync posix_fallocate posix_fadvise pipe2 getresuid getresgid setresuid setresgid "
        "sched_getaffinity sched_setaffinity getrandom memfd_create eventfd eventfd_read splice "
        "copy_file_range O_DIRECT O_LARGEFILE O_NOATIME O_PATH O_TMPFILE O_RSYNC O_DSYNC "
        "getxattr setxattr listxattr removexattr pidfd_open GRND_NONBLOCK",
    fcntl: "F_OFD_SETLK F_OFD_SETLKW F_OFD_GETLK F_SETPIPE_SZ F_GETPIPE_SZ F_NOTIFY F_SETLEASE",
    select: "epoll",
    signal: "SIGPOLL SIGPWR SIGRTMIN SIGRTMAX SIGSTKFLT sigtimedwait sigwaitinfo",
    time: "clock_settime pthread_getcpuclockid",
}
for module, names in missing.items():
    for name in names.split():
        module.__dict__.pop(name, None)
fcntl.F_FULLFSYNC = 51  # macOS has it; here the kernel answers EINVAL, as some file systems there
"""
_VISIT = 'import runpy; runpy.run_module("tests.torture.visit", run_name="__main__")'


def test_a_system_without_names_of_linux(tmp_path: Path) -> None:
    """Simulates macOS by removing names; records are synced, adopted and delivered."""
    app = make_torture_app(tmp_path, CHEST_CHESTS=["memory://"])
    abandoned = JournalWriter(app.extensions["chest.state"].journal_scope, 2**20)
    abandoned.append(b'{"id":"0190a1b2c3d47000a000000000000001","time":1}', 1)
    abandoned.release()
    del abandoned
    ledger, log = visit(tmp_path, 40, start=("-c", _WITHOUT_LINUX + _VISIT))
    assert ledger["statuses"] == [200]
    assert ledger["delivered"] == ledger["captured"] == 41
    assert writer_folders(tmp_path / "chest-journal") == []
    assert "rror" not in log


def test_a_system_without_posix_says_so() -> None:
    """Simulates Windows by removing a module: the import ends with one sentence."""
    code = (
        "import sys; sys.modules['fcntl'] = None\n"
        "try: import flask_chest\n"
        "except ImportError as error: print(error)"
    )
    assert run("-c", code) == (
        "Flask-Chest needs a POSIX system (Linux, macOS, BSD), because processes share its journal "
        "by file locks that Windows does not have; on Windows run the app in WSL 2\n"
    )


@pytest.mark.parametrize(
    "locale", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
@pytest.mark.parametrize("name", [b"gr\xfcn", "grün ☃".encode()])
@pytest.mark.parametrize("store", ["memory://", "sqlite:///chest.db"])
def test_an_instance_path_that_is_no_text(
    tmp_path: Path, name: bytes, locale: dict[str, str], store: str
) -> None:
    """A folder with a name in Latin-1, or in UTF-8 under an ASCII locale."""
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    ledger, log = visit(folder, 10, environment=locale, CHEST_CHESTS=[store])
    assert ledger["statuses"] == [200]
    assert ledger["delivered"] == ledger["captured"] == 10, log
    assert "Traceback" not in log
    command = ("-m", "flask", "--app", "tests.torture.app:create_app()", "chest", "status")
    environment = {**settings(folder, CHEST_CHESTS=[store]), **locale}
    assert "journal: " in run(*command, **environment)
    printed = run(*command, "--json", **environment)
    [chest] = json.loads(printed)["chests"].values()
    assert chest["captured"] == 10


_DROP = """
import os, sys
from pathlib import Path
from tests.torture.app import INSTANCE, make_torture_app, rescan
app = make_torture_app(Path(os.environ[INSTANCE]), CHEST_CHESTS=["memory://"])
client = app.test_client()
client.get("/put/as-root")
os.setgroups([])
os.setgid(int(sys.argv[1]))
os.setuid(int(sys.argv[1]))
for number in range(20):
    assert client.get(f"/put/{number}").status_code == 200
rescan(app)
for number in range(20):
    assert client.get(f"/put/later-{number}").status_code == 200
app.extensions["chest"].flush(10)
print(app.extensions["chest"].stats()["chests"]["memory"])
"""


def test_privileges_that_are_dropped_after_the_first_record() -> None:
    """The app's folder is its user's, so all records are delivered, also those written as root."""
    with folder_of(APP) as folder:
        printed = run("-c", _DROP, str(APP), **settings(folder))
        assert "'captured': 41, 'delivered': 41, 'pending': 0" in printed
        assert "Traceback" not in printed
        assert writer_folders(folder / "chest-journal") == []


def test_privileges_that_are_dropped_with_a_journal_of_root() -> None:
    """The cause is logged once, without a traceback; the records wait for root; none is lost."""
    with folder_of(0) as folder:
        printed = run("-c", _DROP, str(APP), **settings(folder))
        assert printed.count("this process may no longer read its records") == 1
        assert "Traceback" not in printed
        assert "'captured': 41" in printed
        assert "'lost': {}" in printed
        ledger, _ = visit(folder, 1)
        assert ledger["delivered"] == ledger["captured"] == 42


_YEAR_1970 = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec %= 86400;
    return result;
}
"""


def test_a_clock_in_1970(tmp_path: Path) -> None:
    """Simulates a machine without a clock of its own; a later process has the right time."""
    ledger, log = visit(tmp_path, 10, environment=shim(tmp_path, _YEAR_1970))
    assert ledger["delivered"] == ledger["captured"] == 10, log
    ledger, log = visit(tmp_path, 10)
    assert ledger["delivered"] == ledger["captured"] == 20, log
    assert writer_folders(tmp_path / "chest-journal") == []


@pytest.mark.parametrize("name", ["TMPDIR", "HOME"])
def test_folders_of_the_environment_that_do_not_exist(tmp_path: Path, name: str) -> None:
    """Nothing is written outside of the instance folder, so these folders are not needed."""
    ledger, log = visit(tmp_path, 10, environment={name: "/nonexistent"})
    assert ledger["delivered"] == ledger["captured"] == 10, log
    assert "rror" not in log


def test_few_descriptors(tmp_path: Path) -> None:
    """With ``ulimit -n 64`` and a hundred folders of dead processes, each request is answered."""
    app = make_torture_app(tmp_path, CHEST_CHESTS=["memory://"])
    for number in range(100):
        writer = JournalWriter(app.extensions["chest.state"].journal_scope, 2**20)
        if number % 2:
            writer.append(b'{"id":"0190a1b2c3d47000a0000000000%05x","time":1}' % number, 1)
        writer.release()
        del writer
    limited = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    ledger, log = visit(tmp_path, 20, wrapper=limited)
    assert ledger["statuses"] == [200]
    assert ledger["lost"] == {}, log
    assert ledger["captured"] == 70
    assert "Traceback" not in log
