"""Computes the delay before a retry: exponential backoff with full jitter.

https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import random

# Not the module's generator: drawing from that would change what the app gets after random.seed(),
# and forked workers with the same seed would all retry at the same moment.
_random = random.SystemRandom()

_BASE_DELAY = 0.5
_MAX_DELAY = 60.0
# One day: the clock of the server that computed Retry-After may be years off.
_MAX_RETRY_AFTER = 86400.0


def retry_delay(failures: int, retry_after: float | None = None) -> float:
    """Return the seconds to wait before the next attempt.

    :param failures: how many attempts in a row have failed, at least 1.
    :param retry_after: seconds that the server asked to wait. The delay is never shorter than this,
        up to a day.
    """
    ceiling = min(_MAX_DELAY, _BASE_DELAY * 2 ** min(failures, 16))
    jittered = _random.uniform(0, ceiling)
    if retry_after is None or not retry_after >= 0:  # NaN is not >= 0 either
        return jittered
    return min(retry_after, _MAX_RETRY_AFTER) + min(jittered, 1.0)
