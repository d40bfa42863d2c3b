"""Cost of a request with 1 to 100 variables: ``python -m benchmarks.variables``."""

from __future__ import annotations

from statistics import median

from .promises import load
from .workers import Worker

COUNTS = (1, 5, 20, 100)
GENERATIONS = 3
ROUNDS = 25
STRETCH = 100


def main() -> None:
    """Measure each number of variables, relative to a bare app with as many on ``g``."""
    added: dict[int, list[float]] = {count: [] for count in COUNTS}
    for _ in range(GENERATIONS):
        worker = Worker([f"{variant}:{count}" for count in COUNTS for variant in ("bare", "disk")])
        assert worker.why_not() is None
        for _ in range(ROUNDS):
            for count in COUNTS:
                bare, ours = (worker.ask(f"{d}:{count}", STRETCH).cpu for d in ("bare", "disk"))
                added[count].append(ours - bare)
        worker.end()
    print(f"\nVariables on g ({GENERATIONS} generations of {ROUNDS} rounds; {load()})")
    for count, costs in added.items():
        print(f"  {count:4} variables {median(costs):8.1f} us of CPU per request")
    each = (median(added[COUNTS[-1]]) - median(added[COUNTS[0]])) / (COUNTS[-1] - COUNTS[0])
    print(f"  each further variable {each:5.2f} us")


if __name__ == "__main__":
    main()
