"""All but the part that is compiled is in setup.cfg."""

from __future__ import annotations

import os
import platform
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

_FOLDER = Path("flask_chest", "_speedups")


def extensions() -> list[Extension]:
    """What there is to compile; nothing where that is not wanted, or is known not to work.

    ``PURE_FLASK_CHEST=1`` asks for Python alone; with ``FLASK_CHEST_`` begin settings of apps. The
    stable ABI is CPython's, and asks for the GIL.
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
            # Where there is no compiler, what is in Python does the same.
            optional=True,
        )
    ]


setup(ext_modules=extensions())
