"""Virtual environments of apps and suites, which pin versions that contradict each other."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests import ROOT


def make_environment(folder: Path, packages: Sequence[str]) -> Path:
    """Return the Python of a virtual environment with Flask-Chest, which is made if it is missing.

    :param packages: the packages to install beside Flask-Chest.
    """
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, *packages, "setuptools"], check=True)
        (folder / "ready").touch()
    install = [str(python), "-m", "pip", "install", "--quiet", str(ROOT)]
    subprocess.run(install, check=True)
    return python
