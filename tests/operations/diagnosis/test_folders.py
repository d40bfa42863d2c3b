"""The findings of the diagnosis about folders; ``mountinfo`` simulates file systems."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from flask_chest.operations.diagnosis.finding import Finding
from flask_chest.operations.diagnosis.folders import Folder, examine_folder
from flask_chest.operations.diagnosis.mounts import mount_of
from tests.servers.programs import skip_without
from tests.torture.test_disk import tmpfs

_MOUNTS = r"""22 1 0:21 / / rw,relatime - {root} /dev/vda1 rw
30 22 0:30 / /srv rw - ext4 /dev/vdb rw
31 30 0:31 / /srv/with\040space rw shared:1 - nfs4 server:/export rw
32 30 0:32 / /srv/cloud rw - fuse.s3fs s3fs rw
33 30 0:33 / /srv/cloud rw - ext4 /dev/vdc rw
34 30 0:34 / /srv/memory rw - tmpfs tmpfs rw
35 30 0:35 / /srv/sealed ro,relatime - ext4 /dev/vdd rw
36 30 0:36 / /srv/disk rw - ext4 /dev/vde ro,errors=remount-ro
37 30 0:37 / /mnt/c rw,noatime - 9p drvfs rw,trans=fd
38 30 0:38 / /srv/host rw - fuse.grpcfuse grpcfuse rw
39 30 0:39 / /srv/unknown rw - fuse.mergerfs a:b rw
"""


def examine(path: Path, **arguments: Any) -> list[Finding]:
    folder = Folder("journal", path, 'CHEST_JOURNAL_DIR = "{folder}/chest-journal"', "shop", 2**20)
    return [each for each in examine_folder(folder, **arguments) if each.is_problem]


@pytest.mark.parametrize(
    ("path", "kind", "word"),
    [
        ("/srv/with space/journal", "nfs4", "network file system (nfs4 at /srv/with space)"),
        ("/srv/cloud/journal", "ext4", ""),  # the second mount hides the first
        ("/srv/memory/journal", "tmpfs", "is in memory"),
        ("/srv/sealed/journal", "ext4", "is on a read-only file system (ext4 at /srv/sealed)"),
        ("/srv/disk/journal", "ext4", "is on a read-only file system"),
        ("/mnt/c/journal", "9p", "network file system"),  # WSL 2
        ("/srv/host/journal", "fuse.grpcfuse", "network file system"),  # Docker Desktop
        ("/srv/unknown/journal", "fuse.mergerfs", ""),
        ("/srv/journal", "ext4", ""),
        ("/opt/app/journal", "overlay", "is in the container"),
    ],
)
def test_file_systems(path: str, kind: str, word: str, tmp_path: Path) -> None:
    """The journal must be on a local disk that outlives the container; the remedy is a line."""
    mount = mount_of(Path(path), _MOUNTS.format(root="overlay"))
    assert mount is not None
    assert mount.kind == kind
    found = examine(tmp_path, mount=mount)
    assert [finding.text for finding in found if word in finding.text] == [
        finding.text for finding in found
    ]
    assert len(found) == bool(word)
    assert all('CHEST_JOURNAL_DIR = "/' in finding.remedy for finding in found)


def test_an_unknown_fuse_file_system(tmp_path: Path) -> None:
    """What its locks do depends on the program behind it, so that is a note."""
    mount = mount_of(Path("/srv/unknown"), _MOUNTS.format(root="overlay"))
    folder = Folder("journal", tmp_path, 'CHEST_JOURNAL_DIR = "{folder}"', "shop", 2**20)
    texts = [each.text for each in examine_folder(folder, mount)]
    assert any("FUSE file system (fuse.mergerfs at /srv/unknown)" in text for text in texts)


@pytest.mark.server
def test_a_read_only_root(tmp_path: Path) -> None:
    """A real mount that is read-only, in a namespace: the remedy is another folder, no chown."""
    code = f"""
from pathlib import Path
from flask_chest.operations.diagnosis.folders import Folder, examine_folder
folder = Folder("journal", Path({str(tmp_path)!r}) / "journal", "MOVE = {{folder}}", "shop", 0)
for found in examine_folder(folder):
    if found.is_problem:
        print(found.text, "|", found.remedy)
"""
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    wrapper = ["unshare", "--mount", "sh", "-c", script, "sh", str(tmp_path)]
    if subprocess.run([*wrapper, "true"], capture_output=True, check=False).returncode:
        skip_without("the right to mount in a namespace")
    command = [*wrapper, sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    [line] = printed.splitlines()
    assert "is on a read-only file system" in line
    assert line.endswith("| MOVE = /var/lib/shop")


@pytest.mark.server
def test_a_small_memory_file_system(tmp_path: Path) -> None:
    """A real tmpfs of 1 MiB: it is in memory, and smaller than the limit of the buffer."""
    with tmpfs(tmp_path / "small", "1m"):
        folder = Folder(
            "journal", tmp_path / "small", 'CHEST_JOURNAL_DIR = "{folder}"', "shop", 2**28
        )
        found = [each for each in examine_folder(folder) if each.is_problem]
    assert "is in memory (tmpfs" in found[0].text
    assert "1 MiB are free, and its files may take 256" in found[1].text
    assert found[1].remedy == "CHEST_BUFFER_MAX_BYTES = 1 * 1024 * 1024"


def test_a_good_folder(tmp_path: Path) -> None:
    """A folder on this disk has no problem, whether it exists or not, and is not created."""
    assert examine(tmp_path) == []
    assert examine(tmp_path / "a" / "b") == []
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    """Python 3.14's ``Path.exists()`` says ``False`` for it, and nothing else finds it out."""
    [finding] = examine(tmp_path / ("x" * 300) / "journal")
    assert "cannot be examined: " in finding.text
    assert "File name too long" in finding.text


def test_inside_packages_and_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that an upgrade deletes is a problem."""
    [found] = examine(tmp_path / "lib" / "site-packages" / "instance")
    assert "an upgrade of the app may delete it" in found.text
    assert found.remedy == 'CHEST_JOURNAL_DIR = "/var/lib/shop/chest-journal"'
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    [found] = examine(tmp_path / "venv" / "var" / "shop-instance")
    assert "inside the virtual environment" in found.text


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    (tmp_path / "file").touch()
    [found] = examine(tmp_path / "file" / "journal")
    assert found.text == f"{tmp_path / 'file'} is not a folder"


def test_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that this user may not write to; a simulation, since root may write everywhere."""
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    [found] = examine(tmp_path)
    assert "is not writable for the user" in found.text
    assert found.remedy.startswith("chown ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user(tmp_path: Path) -> None:
    """A file that root has left in the journal of another user."""
    os.chown(tmp_path, 12345, 12345)
    (tmp_path / "ledger.lock").touch()
    [found] = examine(tmp_path)
    assert f"{tmp_path / 'ledger.lock'} belongs to root, but the folder to 12345" in found.text
    assert found.remedy == f"chown -R 12345 {tmp_path}"


def test_locks_without_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which every lock succeeds; simulated by a flock() that does nothing."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    [found] = examine(tmp_path)
    assert "locks (flock) have no effect" in found.text


def test_too_little_space(tmp_path: Path) -> None:
    """The limit of the buffer must fit on the disk."""
    folder = Folder("journal", tmp_path, 'CHEST_JOURNAL_DIR = "{folder}"', "shop", 2**60)
    [found] = examine_folder(folder)
    assert "MiB are free" in found.text
    assert found.remedy.startswith("CHEST_BUFFER_MAX_BYTES = ")


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    """A byte that is not UTF-8 in a folder's name."""
    [found] = examine(Path(f"{tmp_path}/caf\udce9"))
    assert "is not UTF-8" in found.text
