"""When to try again: exponential backoff with full jitter.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random

# Of our own: drawing from the app's would change what it sees after random.seed(), and a generator
# that is seeded once would let forked workers come back at the same moment.
_random = random.SystemRandom()

_BASE = 0.5
_CAP = 60.0
# A day: a backend's clock may be years off.
_LONGEST = 86400.0


def delay(failures: int, retry_after: float | None = None) -> float:
    """Seconds to wait after so many failures in a row.

    :param failures: at least 1.
    :param retry_after: what the backend asked for; never less than that, up to a day.
    """
    ceiling = min(_CAP, _BASE * 2 ** min(failures, 16))
    jittered = _random.uniform(0, ceiling)
    if retry_after is None or not retry_after >= 0:  # nor is NaN
        return jittered
    return min(retry_after, _LONGEST) + min(jittered, 1.0)
