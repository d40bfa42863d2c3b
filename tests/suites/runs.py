"""Runs one suite with and without a chest in every app."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

_PLUGIN = Path(__file__).parent / "chest_in_every_app.py"
# Descriptors that a process may open, as on most machines.
_OPEN_FILES = 1024
_TIMEOUT_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a suite.

    :param passed: the names of the tests that passed.
    :param seconds: how long the whole process took, with its exit.
    :param cpu_seconds: the processor time that it took, which other processes change less.
    """

    passed: frozenset[str]
    seconds: float
    cpu_seconds: float


def unpack(package: str, python: Path, folder: Path) -> Path:
    """Download the source archive of a package with pip, and return its unpacked folder."""
    command = [str(python), "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", package, "--dest", str(folder), package]
    subprocess.run(command, check=True)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def run(python: Path, sources: Path, arguments: Sequence[str], *, with_chest: bool) -> Run:
    """Run a suite once, from a copy of its sources.

    :param arguments: arguments of pytest.
    """
    with TemporaryDirectory() as folder:
        copied = Path(folder, sources.name)
        shutil.copytree(sources, copied)
        report = Path(folder, "report.xml")
        command = [str(python), "-m", "pytest", "-q", f"--junit-xml={report}", "-p", "no:randomly"]
        if with_chest:
            shutil.copy(_PLUGIN, folder)
            command += ["-p", _PLUGIN.stem]
        start, cpu_start = time.monotonic(), _cpu_seconds()
        with Path(folder, "log").open("wb") as log:
            subprocess.run(
                [*command, *arguments],
                cwd=copied,
                env={**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                timeout=_TIMEOUT_SECONDS,
                preexec_fn=_limit_open_files,
            )
        seconds = time.monotonic() - start
        if not report.exists():
            raise RuntimeError(Path(folder, "log").read_text(errors="replace")[-2000:])
        return Run(frozenset(_passed(report)), seconds, _cpu_seconds() - cpu_start)


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _limit_open_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))


def _passed(report: Path) -> list[str]:
    # The file comes from a process that this module has started.
    cases = ElementTree.parse(report).iter("testcase")
    return [f"{case.get('classname')}.{case.get('name')}" for case in cases if not len(case)]
