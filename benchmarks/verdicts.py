"""Promises beside figures: told at the end of each benchmark, and of them all together."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Promise(NamedTuple):
    """One line of the promises.

    :param what: what was measured.
    :param figure: what came out.
    :param limit: what was promised.
    :param at_least: the limit is one from below.
    """

    what: str
    figure: float
    limit: float
    at_least: bool = False

    @property
    def kept(self) -> bool:
        """Whether the figure is within the limit."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    @property
    def line(self) -> str:
        """As it is printed."""
        bound = "at least" if self.at_least else "at most"
        kept = "kept" if self.kept else "NOT KEPT"
        return f"{self.what:66}{self.figure:9.2f}   {bound:8} {self.limit:<8g} {kept}"


def load() -> str:
    """What else the machine does, which figures should be read with."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def tell(promises: Sequence[Promise]) -> None:
    """Print them, and note them in the file ``BENCH_VERDICTS`` for the summary of all."""
    print()
    for promise in promises:
        print(promise.line)
    noted = os.environ.get("BENCH_VERDICTS")
    if noted:
        with Path(noted).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(promise) + "\n" for promise in promises)


def summary(noted: Path) -> bool:
    """Print all that were noted; whether each was kept."""
    lines = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
    promises = [Promise(*json.loads(line)) for line in lines]
    for promise in promises:
        print(promise.line)
    return all(promise.kept for promise in promises)
