"""File systems with limits: without locks, full, made of layers, read-only, unmounted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flask_chest.delivery.journal.file_names import writer_folders
from flask_chest.delivery.journal.writer import JournalWriter
from tests.servers.programs import skip_without

from .app import make_torture_app, rescan
from .processes import shim, visit
from .test_disk import tmpfs

pytestmark = pytest.mark.server

_NO_LOCKS = "int flock(int descriptor, int operation) { return 0; }"
_NO_FOLDER_SYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/stat.h>
int fsync(int descriptor)
{
    struct stat status;
    if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(descriptor);
}
"""


_NFS_LOCKS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
int flock(int descriptor, int operation)
{
    if (operation & LOCK_EX && (fcntl(descriptor, F_GETFL) & O_ACCMODE) == O_RDONLY) {
        errno = EBADF;
        return -1;
    }
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(descriptor, operation);
}
"""


def test_locks_that_have_no_effect(tmp_path: Path) -> None:
    """Simulates such a file system: no record is stored, each is counted, and the log says why."""
    ledger, log = visit(tmp_path, 10, environment=shim(tmp_path, _NO_LOCKS))
    assert ledger["statuses"] == [200]
    assert ledger["delivered"] == 0
    assert "locks (flock) have no effect on this file system" in log
    assert "set CHEST_JOURNAL_DIR to a folder on a local file system" in log
    assert writer_folders(tmp_path / "chest-journal") == []


def test_a_folder_that_cannot_be_synced(tmp_path: Path) -> None:
    """Simulates EINVAL for the fsync of a folder, as some FUSE file systems answer."""
    ledger, log = visit(tmp_path, 10, environment=shim(tmp_path, _NO_FOLDER_SYNC))
    assert ledger["delivered"] == ledger["captured"] == 10
    assert "Invalid argument" not in log


def test_locks_of_nfs(tmp_path: Path) -> None:
    """Simulates NFS, where an exclusive lock needs a descriptor that can write."""
    ledger, log = visit(tmp_path, 10, environment=shim(tmp_path, _NFS_LOCKS))
    assert ledger["delivered"] == ledger["captured"] == 10, log
    assert writer_folders(tmp_path / "chest-journal") == []


def test_losses_on_a_full_disk_are_remembered(tmp_path: Path) -> None:
    """A process that lost records on a full disk ends; the next process still counts them."""
    down: dict[str, Any] = {"CHEST_CHESTS": ["https://127.0.0.1:9/"]}
    with tmpfs(tmp_path / "chest-journal", "300k"):
        first, log = visit(tmp_path, 2000, **down)
        assert "make that writable, with free space" in log
        assert first["statuses"] == [200]
        assert first["lost"]["journal"] > 100
        second, _ = visit(tmp_path, 0, **down)
        assert second["lost"] == first["lost"]
        assert second["captured"] == first["captured"]


def test_a_journal_of_one_mebibyte(tmp_path: Path) -> None:
    """A small tmpfs under the default limit of 256 MiB: each request is answered and counted."""
    with tmpfs(tmp_path / "chest-journal", "1m"):
        down, up = ({"url": url, "name": "x"} for url in ("https://127.0.0.1:9/", "memory://"))
        ledger, log = visit(tmp_path, 3000, CHEST_CHESTS=[down])
        assert ledger["statuses"] == [200]
        # The record that the full disk tore is counted when the chest reaches it.
        assert ledger["captured"] in (2999, 3000), log
        ledger, log = visit(tmp_path, 3000, CHEST_CHESTS=[up])
        assert ledger["pending"] == 0, log
        assert ledger["captured"] == 6000, log


def test_losses_that_a_full_disk_counts_in_parts(tmp_path: Path) -> None:
    """The totals are saved twice on a full disk, and the process that ends forgets none."""
    with tmpfs(tmp_path / "chest-journal", "1m"):
        app = make_torture_app(tmp_path, CHEST_CHESTS=["https://127.0.0.1:9/"])
        chest, client = app.extensions["chest"], app.test_client()
        for part in range(3):
            for number in range(1000):
                client.get(f"/put/{part}-{number}")
            rescan(app)
        before = next(iter(chest.stats()["chests"].values()))
        assert before["captured"] in (2999, 3000)
        assert before["lost"]["journal"] > 1000
        chest.close()
        assert next(iter(chest.stats()["chests"].values())) == before


_OVERLAY = """
set -e
mount -t overlay overlay -o lowerdir="$1",upperdir="$2",workdir="$3" "$4"
shift 4
exec "$@"
"""


def overlay(folder: Path) -> Sequence[str]:
    """Return a wrapper for a command in which ``merged`` lies over ``image``; needs namespaces."""
    paths = [folder / name for name in ("image", "upper", "work", "merged")]
    for path in paths:
        path.mkdir(exist_ok=True)
    wrapper = ["unshare", "--mount", "sh", "-c", _OVERLAY, "sh", *map(str, paths)]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        skip_without("the right to mount overlayfs in a namespace")
    return wrapper


def test_a_journal_that_is_part_of_an_image(tmp_path: Path) -> None:
    """Its records are delivered once, its folders removed, and the log has no error."""
    wrapper = overlay(tmp_path)
    image = make_torture_app(tmp_path / "image", CHEST_CHESTS=["memory://"])
    writer = JournalWriter(image.extensions["chest.state"].journal_scope, 2**20)
    for number in range(3):
        writer.append(b'{"id":"0190a1b2c3d47000a0000000000%05x","time":1}' % number, 1)
    writer.release()
    del writer
    merged = tmp_path / "merged"
    for expected in (3 + 10, 3 + 20):
        ledger, log = visit(merged, 10, wrapper=wrapper)
        assert ledger["delivered"] == ledger["captured"] == expected, log
        assert "cannot be removed" not in log
    assert len(writer_folders(tmp_path / "image" / "chest-journal")) == 1
    in_upper = [path for path in (tmp_path / "upper" / "chest-journal").iterdir() if path.is_dir()]
    assert in_upper == []


def test_a_volume_that_is_unmounted_while_in_use(tmp_path: Path) -> None:
    """Later records go to the folder below the mount point; nothing raises."""
    code = f"""
import subprocess
from pathlib import Path
from tests.torture.app import make_torture_app, rescan
journal = Path({str(tmp_path)!r}) / "chest-journal"
app = make_torture_app(journal.parent, CHEST_CHESTS=["memory://"])
client = app.test_client()
assert all(client.get(f"/put/a{{n}}").status_code == 200 for n in range(20))
subprocess.run(["umount", "--lazy", str(journal)], check=True)
assert all(client.get(f"/put/b{{n}}").status_code == 200 for n in range(20))
rescan(app)
assert all(client.get(f"/put/c{{n}}").status_code == 200 for n in range(20))
assert app.extensions["chest"].flush(20)
print(sorted(app.extensions["chest"].stats()["chests"]["memory"].items()))
app.extensions["chest"].close()
"""
    with tmpfs(tmp_path / "chest-journal", "1m"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "chest-journal"], check=True)
    assert done.returncode == 0, done.stderr
    assert "('captured', 60), ('delivered', 60)" in done.stdout, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
