"""Builds the C extension, if possible. All other metadata is in setup.cfg."""

from __future__ import annotations

import os
import platform
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

_FOLDER = Path("flask_chest", "_speedups")


def extensions() -> list[Extension]:
    """Return the extensions to compile; none if the platform cannot run them.

    ``PURE_FLASK_CHEST=1`` in the environment turns compiling off. (Names with the prefix
    ``FLASK_CHEST_`` are settings of apps.) The stable ABI exists on CPython with the GIL only.
    """
    no_gil = sysconfig.get_config_var("Py_GIL_DISABLED")
    if (
        os.environ.get("PURE_FLASK_CHEST")
        or platform.python_implementation() != "CPython"
        or no_gil
    ):
        return []
    return [
        Extension(
            "flask_chest._speedups._compiled",
            sorted(str(path) for path in _FOLDER.glob("*.c")),
            depends=[str(_FOLDER / "speedups.h")],
            extra_compile_args=["-std=c99", "-fvisibility=hidden"],
            py_limited_api=True,
            # Without a compiler the same code in Python is used.
            optional=True,
        )
    ]


setup(ext_modules=extensions())
