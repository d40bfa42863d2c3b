"""Lets tox find the Pythons that pyenv installed; does nothing without pyenv."""

from __future__ import annotations

import os
from pathlib import Path

root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
pythons = sorted(str(path) for path in root.glob("versions/3.1?.*/bin/python"))
if pythons:
    os.environ.setdefault("TOX_DISCOVER", ";".join(pythons))
