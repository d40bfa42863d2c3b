"""Where the programs of the test servers are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import install
from .missing import lack


def find_program(name: str, package: str, *, places: Sequence[str] = ()) -> str:
    """The path of a program; installed where that may be done, else the test ends here.

    :param name: the program, looked for on ``PATH``.
    :param package: the Debian package that has it.
    :param places: further files to look for, as globs from the root; of several the last is taken.
    """
    found = _look(name, places)
    if found is None and shutil.which("apt-get") is not None:
        root = install.find_way_to_root()
        if root is not None and install.install([package], root):
            found = _look(name, places)
    return found or lack(f"{name} (Debian's package {package})")


def _look(name: str, places: Sequence[str]) -> str | None:
    path = os.environ.get("PATH", "")
    found = shutil.which(name, path=f"{path}:/usr/sbin:/usr/local/sbin")
    if found is not None:
        return found
    root = Path("/")
    files = sorted(str(file) for place in places for file in root.glob(place))
    return files[-1] if files else None
