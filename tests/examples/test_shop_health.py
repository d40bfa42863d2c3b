"""The shop's health views, without optional libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import ROOT

PROGRAM = """
import sys

for name in ("flask_sqlalchemy", "flask_migrate", "redis"):
    sys.modules[name] = None  # as if it were not installed

from examples.shop import create_app

client = create_app(sys.argv[1]).test_client()
print(client.get("/__lbheartbeat__").status_code, client.get("/__heartbeat__").json["checks"])
"""


def test_no_extra_is_needed(tmp_path: Path) -> None:
    """Without a database and Redis in the config, their libraries are not imported."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout == "200 {'chest': 'ok'}\n", done.stderr
