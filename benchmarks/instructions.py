"""Instructions per request, counted by callgrind: ``python -m benchmarks.instructions [app ...]``.

The count is the same in each run, whatever else the machine does, so an increase of a few percent
is visible. It does not measure time: a cache miss counts as one instruction.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .installed import installed

REQUESTS = 200
_WARM_UP = 100
_TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)
_ROOT = Path(__file__).parents[1]


def count(names: Sequence[str], valgrind: str = "valgrind") -> dict[str, int]:
    """Count the instructions of one request to each variant of ``benchmarks.apps``.

    :raises RuntimeError: valgrind failed.
    """
    with tempfile.TemporaryDirectory(prefix="chest-instructions-") as folder:
        out = Path(folder, "out")
        command = [
            valgrind,
            "--tool=callgrind",
            f"--callgrind-out-file={out}",
            # A call of this function restarts the count; no app calls it.
            "--dump-before=getloadavg",
            sys.executable,
            "-m",
            "benchmarks.instructions",
            "--serve",
            folder,
            *names,
        ]
        # Hashes determine the number of collisions in dicts.
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"valgrind failed: {done.stderr[-2000:]}")
        # Each app has two dumps: one before its requests, and one of its requests.
        return {
            name: _total(Path(f"{out}.{2 * number + 2}")) // REQUESTS
            for number, name in enumerate(names)
        }


def _total(dump: Path) -> int:
    found = _TOTAL.search(dump.read_text())
    if found is None:
        raise RuntimeError(f"{dump.name} has no total")
    return int(found[1])


def serve(root: Path, names: Sequence[str]) -> None:
    """Run under valgrind: requests to each app between two calls of getloadavg()."""
    from flask_chest.delivery.apscheduler_start import Schedule

    from . import apps
    from .workers import call

    # The thread of the exporter must not be counted.
    Schedule.start = lambda self, queue: None  # type: ignore[method-assign]
    gc.disable()
    for name in names:
        folder = root / name
        folder.mkdir()
        app = getattr(apps, name)(folder)
        for _ in range(_WARM_UP):
            call(app, apps.ENVIRON)
        os.getloadavg()
        for _ in range(REQUESTS):
            call(app, apps.ENVIRON)
        os.getloadavg()
    sys.stdout.flush()
    os._exit(0)


def main() -> None:
    found = count(["bare", *(sys.argv[1:] or _default())])
    bare = found.pop("bare")
    print(f"instructions per request of the bare app: {bare:,}")
    for name, each in found.items():
        beside = f"{(each - bare) / (found['disk'] - bare):8.2f} of ours" if "disk" in found else ""
        print(f"  added by {name:16}{each - bare:>10,}{beside}")


def _default() -> Sequence[str]:
    # A receiver makes its signal slower for all later apps, so variants with receivers are last.
    return installed(
        ("disk", "memory", "none", "prometheus", "dockerflow", "floor", "least", "by_hand")
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]), sys.argv[3:])
    else:
        main()
