"""Fails where tests take too few of the package's branches: ``python -m tests.branches FILE``.

``fail_under`` of coverage counts lines and branches together, and lines are easy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

#: Of a hundred branches, at least.
LEAST = 95


def share(totals: dict[str, Any]) -> float:
    """The branches that were taken, of a hundred.

    :param totals: those of ``coverage json``.
    """
    return float(100 * totals["covered_branches"] / totals["num_branches"])


def main(file: str) -> str | None:
    totals = json.loads(Path(file).read_text())["totals"]
    told = f"{share(totals):.2f} % of {totals['num_branches']} branches were taken"
    if share(totals) < LEAST:
        return f"{told}, of which {LEAST} % must be"
    sys.stdout.write(f"{told}\n")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
