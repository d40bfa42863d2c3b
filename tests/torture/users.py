"""Runs parts of a test as another user of the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import ROOT
from tests.servers.programs import skip_without

#: A user without a name, as in a container.
APP = 23456
#: Another one.
OTHER = 23457


# Opens the folder above the interpreter in a mount namespace of its own: $1 is the first folder
# that other users cannot enter, $2 the interpreter's folder, $3 the user.
_REACH = """
set -e
held=$(mktemp --directory)
mount --bind "$2" "$held"
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir -p "$2"
mount --bind "$held" "$2"
user=$3
shift 3
exec setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
"""


def run_as(user: int, *arguments: str, **environment: str) -> str:
    """Run the interpreter as a user; return what it printed.

    :param arguments: the arguments of the interpreter.
    """
    command = [*_as_user(user), sys.executable, *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _as_user(user: int) -> list[str]:
    prefix = Path(sys.base_prefix)
    closed = [path for path in (*reversed(prefix.parents), prefix) if not path.stat().st_mode & 0o1]
    if closed:
        reach = ["unshare", "--mount", "sh", "-c", _REACH, "sh"]
        return [*reach, str(closed[0]), str(prefix), str(user)]
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


@contextmanager
def folder_of(user: int) -> Iterator[Path]:
    """Make a folder that a user owns, and that all users can reach; needs root."""
    if os.geteuid() != 0:
        pytest.skip("only root can run a part of the test as another user")
    folder = Path(tempfile.mkdtemp(prefix="chest-user-"))
    try:
        os.chown(folder, user, user)
        folder.chmod(0o755)
        try:
            run_as(user, "-c", "import flask_chest")
        except (AssertionError, OSError) as error:
            skip_without(f"an interpreter that other users can run ({error})")
        yield folder
    finally:
        shutil.rmtree(folder)
