"""The promises of the documentation, compared with measured figures."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Promise(NamedTuple):
    """One promise and the measured figure.

    :param what: the measured quantity.
    :param figure: the measured value.
    :param limit: the promised value.
    :param at_least: whether the limit is a minimum.
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
        """The printed line."""
        bound = "at least" if self.at_least else "at most"
        kept = "kept" if self.kept else "NOT KEPT"
        return f"{self.what:66}{self.figure:9.2f}   {bound:8} {self.limit:<8g} {kept}"


def load() -> str:
    """The load of the machine, which affects all figures."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def report_promises(promises: Sequence[Promise]) -> None:
    """Print promises, and add them to the file ``BENCH_PROMISES`` for the summary."""
    print()
    for promise in promises:
        print(promise.line)
    noted = os.environ.get("BENCH_PROMISES")
    if noted:
        with Path(noted).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(promise) + "\n" for promise in promises)


def summary(noted: Path) -> bool:
    """Print all promises of a file; return whether all were kept."""
    lines = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
    promises = [Promise(*json.loads(line)) for line in lines]
    for promise in promises:
        print(promise.line)
    return all(promise.kept for promise in promises)
