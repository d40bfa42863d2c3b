"""Fails if the tests take too few of the package's branches: ``python -m tests.branches FILE``.

``fail_under`` of coverage counts lines and branches together, and lines are easy to reach.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

#: The least percentage of branches that the tests must take.
MIN_PERCENT = 95


def percent_covered(totals: dict[str, Any]) -> float:
    """Return the percentage of branches that were taken.

    :param totals: the ``totals`` of ``coverage json``.
    """
    return float(100 * totals["covered_branches"] / totals["num_branches"])


def main(file: str) -> str | None:
    totals = json.loads(Path(file).read_text())["totals"]
    result = f"tests took {percent_covered(totals):.2f} % of {totals['num_branches']} branches"
    if percent_covered(totals) < MIN_PERCENT:
        return f"{result}; at least {MIN_PERCENT} % are required"
    sys.stdout.write(f"{result}\n")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
