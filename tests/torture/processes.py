"""Runs parts of a test in processes of their own, also as another user of the machine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.servers.programs import find_program, skip_without

from .app import CONFIG, INSTANCE

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


def run(*arguments: str, wrapper: Sequence[str] = (), **environment: str) -> str:
    """Run the interpreter; return what it printed.

    :param arguments: the arguments of the interpreter.
    :param wrapper: a command that runs the interpreter, with its arguments.
    """
    done = subprocess.run(
        [*wrapper, sys.executable, *arguments],
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


def run_as(user: int, *arguments: str, **environment: str) -> str:
    """Run the interpreter as a user; return what it printed."""
    return run(*arguments, wrapper=_as_user(user), **environment)


def visit(
    folder: Path,
    count: int,
    *,
    user: int | None = None,
    start: Sequence[str] = ("-m", "tests.torture.visit"),
    wrapper: Sequence[str] = (),
    environment: Mapping[str, str] = {},
    **config: Any,
) -> tuple[dict[str, Any], str]:
    """Send requests to the torture app in a process of its own; return its ledger and its log.

    :param folder: the instance folder.
    :param count: the number of requests.
    :param user: the user that the process runs as.
    :param start: the arguments of the interpreter that start ``tests.torture.visit``.
    :param wrapper: a command that runs the interpreter, with its arguments.
    :param environment: further environment variables.
    :param config: the app's config; records are delivered to memory by default.
    """
    wrapper = wrapper if user is None else _as_user(user)
    printed = run(
        *start, str(count), wrapper=wrapper, **{**settings(folder, **config), **environment}
    )
    [ledger] = [line for line in printed.splitlines() if line.startswith("{")]
    return json.loads(ledger), printed


def settings(folder: Path, **config: Any) -> dict[str, str]:
    """Return the environment of the torture app."""
    return {INSTANCE: str(folder), CONFIG: json.dumps({"CHEST_CHESTS": ["memory://"], **config})}


def _open_environment() -> None:
    """Let other users reach this virtual environment: tox makes its folder private."""
    prefix = Path(sys.prefix)
    for path in (prefix, *prefix.parents):
        mode = path.stat().st_mode
        if path.is_relative_to(ROOT) and not mode & 0o1:
            path.chmod(mode | 0o11)


def _as_user(user: int) -> list[str]:
    _open_environment()
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
            run_as(user, "-c", "import apscheduler, flask_chest")
        except (AssertionError, OSError) as error:
            skip_without(f"an interpreter that other users can run ({error})")
        yield folder
    finally:
        shutil.rmtree(folder)


def shim(folder: Path, source: str) -> dict[str, str]:
    """Compile C functions that replace those of the C library; return the environment for them."""
    compiler = find_program("gcc", "gcc")
    (folder / "shim.c").write_text(source)
    library = folder / "shim.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, folder / "shim.c", "-ldl"], check=True
    )
    return {"LD_PRELOAD": str(library)}
