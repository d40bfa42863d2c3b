"""What a request pays for each feature switched on: ``python -m benchmarks.features``.

In instructions, counted by callgrind: most are worth less than a microsecond, which no clock on a
machine that does other things too can tell.
"""

from __future__ import annotations

from . import apps
from .instructions import count

FEATURES = ("tagged", "listed", "sampled", "two_chests", "nested", "heard", "unrecorded")


def main() -> None:
    """Count, and print each beside the plain journal on disk."""
    found = count(["bare", "disk", *FEATURES])
    ours = found["disk"] - found["bare"]
    print(f"\nOf Flask-Chest's own {ours:,} instructions of a request, disk journal:")
    for name in FEATURES:
        share = (found[name] - found["disk"]) / ours
        print(f"  {share:+7.1%}  {getattr(apps, name).__doc__}")


if __name__ == "__main__":
    main()
