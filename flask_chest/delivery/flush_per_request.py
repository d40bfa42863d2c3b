"""``CHEST_FLUSH = "request"``: each request delivers, for processes that are frozen in between."""

from __future__ import annotations

from collections.abc import Callable

from .background_delivery import BackgroundDelivery
from .ledger import Ledger


class FlushingDelivery:
    """Hands a record over as usual, then waits until the exporter has tried to deliver it.

    A platform that runs functions stops the process as soon as the response is sent. A background
    thread would deliver when the next request comes, or never.

    :param delivery: the delivery in the background.
    :param timeout: seconds that a request waits at most. Other records stay in the buffer.
    """

    def __init__(self, delivery: BackgroundDelivery, timeout: float) -> None:
        self._delivery = delivery
        self._timeout = timeout

    def hand_over(self, line: bytes, mask: int) -> None:
        """Store one record, and deliver it.

        :param line: the encoded record.
        :param mask: a bit for each chest that receives it.
        """
        self._delivery.hand_over(line, mask)
        self._delivery.deliver_now(self._timeout)

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver all records now; return whether none is left."""
        return self._delivery.flush(timeout)

    def ledger(self) -> Ledger:
        """Return how many records each chest got."""
        return self._delivery.ledger()

    def oldest_pending(self, chest: str) -> int | None:
        """Return when the oldest record that waits for a chest was made, in µs since 1970 UTC."""
        return self._delivery.oldest_pending(chest)

    def close(self) -> None:
        """Deliver within the shutdown timeout, then stop."""
        self._delivery.close()

    def start_close(self) -> Callable[[], None]:
        """Request a last flush; return a function that waits for it, and then releases all."""
        return self._delivery.start_close()
