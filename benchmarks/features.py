"""Instructions that each feature adds to a request: ``python -m benchmarks.features``.

Callgrind counts them, since most features cost less than a microsecond, which no clock on a busy
machine can measure.
"""

from __future__ import annotations

from . import apps
from .instructions import count

FEATURES = ("tagged", "listed", "sampled", "two_chests", "nested", "heard", "unrecorded")


def main() -> None:
    """Count, and print each feature relative to the plain journal on disk."""
    found = count(["bare", "disk", *FEATURES])
    ours = found["disk"] - found["bare"]
    print(
        f"\nRelative to Flask-Chest's own {ours:,} instructions per request, with the disk journal:"
    )
    for name in FEATURES:
        share = (found[name] - found["disk"]) / ours
        print(f"  {share:+7.1%}  {getattr(apps, name).__doc__}")


if __name__ == "__main__":
    main()
