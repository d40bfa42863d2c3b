"""Sampling: decides whether a request's record is kept, and at which sample rate."""

from __future__ import annotations

import random

# The app may have seeded the generator of the random module, and forked workers would share its
# state. The system's generator has neither problem.
_random = random.SystemRandom()


class Sampler:
    """Decides which requests are kept when a route's sample rate is below 1.

    :param slow_ms: milliseconds; a request that takes at least as long is always kept. With
        ``None`` no request is slow.
    """

    def __init__(self, slow_ms: float | None) -> None:
        self._slow_ms = float("inf") if slow_ms is None else slow_ms

    def sample(
        self, rate: float, duration_ms: float, status: int | None, error: BaseException | None
    ) -> float | None:
        """Return the sample rate to store on the record, or ``None`` to drop the record.

        Errors and slow requests are always kept. Each of them stands for itself alone, so its rate
        is 1.

        :param rate: the route's sample rate, from 0 to 1.
        :param duration_ms: milliseconds that the request took.
        :param status: the HTTP status of the response, if any.
        :param error: the exception that ended the request, if any.
        """
        if error is not None or duration_ms >= self._slow_ms or (status or 0) >= 500:
            return 1.0
        return rate if _random.random() < rate else None
