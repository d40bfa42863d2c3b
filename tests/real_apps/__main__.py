"""``python -m tests.real_apps [APP ...]``: compares each app with and without a chest.

Each app has a virtual environment of its own, since these apps pin their packages. The exit status
is 1 if an answer differs, or if there is not exactly one record for each request.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from .catalogue import APPS, RealApp
from .comparison import deterministic, differences, run, stored_statuses
from .environment import make_environment

_ENVIRONMENTS = Path(sys.prefix, "real-apps")
_TABLE = "{:<12} {:>8} {:>8} {:>14} {:>8} {:>10}  {}"


def main(names: list[str]) -> int:
    """Compare the named apps, or all of them, and print a table."""
    _print(_TABLE.format("app", "seconds", "requests", "deterministic", "records", "different", ""))
    failed = False
    for app in APPS:
        if not names or app.module in names:
            try:
                problems = _compare(app)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                problems = [f"{app.module} did not run: {error}"]
            failed = failed or bool(problems)
            for problem in problems:
                _print(f"    {problem}")
    return int(failed)


def _compare(app: RealApp) -> list[str]:
    start = time.monotonic()
    python = make_environment(_ENVIRONMENTS / app.module, app.packages)
    with TemporaryDirectory() as folder:
        runs = []
        for name in ("first", "second", "chest"):
            (Path(folder) / name).mkdir()
            runs.append(run(app, python, Path(folder) / name, with_chest=name == "chest"))
        statuses = stored_statuses(Path(folder) / "chest")
    bare = runs[0], runs[1]
    problems = list(differences(app.visits, bare, runs[2]))
    if statuses != [answer.status for answer in runs[2]]:
        problems.append(f"{len(runs[2])} requests left {len(statuses)} records: {statuses}")
    _print(
        _TABLE.format(
            app.module,
            round(time.monotonic() - start),
            len(app.visits),
            deterministic(bare),
            len(statuses),
            len(problems),
            "" if not problems else "FAILED",
        )
    )
    return problems


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
