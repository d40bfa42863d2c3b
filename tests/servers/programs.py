"""Finds the programs of test servers; installs them if possible, otherwise skips the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, files
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

from . import install


def find_program(name: str, package: str, *, places: Sequence[str] = ()) -> str:
    """Return the path of a program; install it if necessary, or skip the test.

    :param name: the program's name on ``PATH``.
    :param package: the Debian package that contains it.
    :param places: additional glob patterns, relative to the root folder; the last match wins.
    """
    found = _search(name, places)
    if found is None and shutil.which("apt-get") is not None:
        root = install.find_way_to_root()
        if root is not None and install.install([package], root):
            found = _search(name, places)
    return found or skip_without(f"{name} (Debian's package {package})")


def require_module(module: str, package: str) -> None:
    """Skip the test if a Python package is not installed."""
    if find_spec(module) is None:
        skip_without(f"{package} (on PyPI)")


def skip_without(name: str) -> NoReturn:
    """Skip the current test because something is missing; fail it under ``CI=true``."""
    if os.environ.get("CI"):
        pytest.fail(f"{name} is missing; under CI no test is skipped")
    pytest.skip(f"{name} is missing")


def _search(name: str, places: Sequence[str]) -> str | None:
    path = os.environ.get("PATH", "")
    found = shutil.which(name, path=f"{path}:/usr/sbin:/usr/local/sbin")
    if found is not None:
        return found
    root = Path("/")
    files = sorted(str(file) for place in places for file in root.glob(place))
    return files[-1] if files else None


def find_packaged_program(package: str, name: str) -> str:
    """Return the path of a program that a Python package ships.

    Without the package, the test is skipped; under ``CI=true`` it fails.
    """
    try:
        shipped = files(package) or []
    except PackageNotFoundError:
        shipped = []
    for file in shipped:
        if file.name == name:
            return str(Path(str(file.locate())).resolve())
    return skip_without(f"{name} ({package} on PyPI)")
