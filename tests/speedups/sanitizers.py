"""Builds the compiled module under the compiler's sanitizers, and runs Python with it.

Sanitizers end a process that accesses foreign memory or runs into undefined behaviour:
https://gcc.gnu.org/onlinedocs/gcc/Instrumentation-Options.html
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import ROOT

from ..servers.programs import skip_without

_SANITIZERS = "-fsanitize=address,undefined"


class SanitizedTree:
    """A copy of the repository whose compiled module runs under the sanitizers.

    :param folder: the folder to make; it must not exist.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("gcc") is None:
            skip_without("gcc")
        self._folder = folder
        self._preloaded = f"{_library('libasan.so')} {_library('libubsan.so')}"
        skipped = shutil.ignore_patterns(".*", "__pycache__", "*.so", "build", "docs", "instance")
        shutil.copytree(ROOT, folder, ignore=skipped)
        flags = f"-O1 -g -fno-omit-frame-pointer {_SANITIZERS}"
        build = ["setup.py", "--quiet", "build_ext", "--inplace"]
        done = self._python(build, 300, CC="gcc", CFLAGS=flags, LDFLAGS=_SANITIZERS)
        assert done.returncode == 0, done.stderr

    def run(self, command: list[str], timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run Python with some arguments.

        :param timeout: seconds.
        """
        return self._python(
            command,
            timeout,
            LD_PRELOAD=self._preloaded,
            # Python itself does not free everything at exit; another test counts leaks of requests.
            ASAN_OPTIONS="detect_leaks=0",
            UBSAN_OPTIONS="halt_on_error=1",
            # Python's own allocator would hide the ends of objects from the sanitizers.
            PYTHONMALLOC="malloc",
        )

    def _python(
        self, command: list[str], timeout: float, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(self._folder), **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def _library(name: str) -> str:
    """Return the path of a sanitizer's library."""
    asked = ["gcc", f"-print-file-name={name}"]
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    if not Path(found).is_absolute():
        skip_without(name)
    return found
