"""``CHEST_BUFFER = "none"``: writes each record before the response, and raises on failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..record.batch import Batch
from ..signals import announce, batch_delivered, delivery_failed
from .ledger import Ledger
from .sender import ChestLike


class SynchronousDelivery:
    """Writes each record to its chests immediately.

    :param chests: where records are written; their order sets the bits of a mask.
    :param signal_sender: the app; signals are sent in its name.
    """

    def __init__(self, chests: Sequence[ChestLike], signal_sender: object) -> None:
        self._chests = chests
        self._signal_sender = signal_sender
        self._ledger = Ledger()

    def hand_over(self, line: bytes, mask: int) -> None:
        """Write one record to each of its chests.

        :param line: the encoded record.
        :param mask: a bit for each chest that receives it.
        :raises flask_chest.errors.ChestError: a chest did not accept it; the other chests were
            tried. Any other exception of a chest is raised in the same way.
        """
        failure: Exception | None = None
        for bit, chest in enumerate(self._chests):
            if mask >> bit & 1:
                try:
                    self._write(chest, line)
                except Exception as error:  # noqa: BLE001 - a user's chest may raise anything
                    failure = failure or error
        if failure is not None:
            raise failure

    def flush(self, timeout: float | None = None) -> bool:
        """Return ``True``: no record ever waits."""
        return True

    def ledger(self) -> Ledger:
        """Return the ledger of this process."""
        for chest in self._chests:
            self._ledger.account(chest.name)
        return self._ledger

    def oldest_pending(self, chest: str) -> int | None:
        """Return ``None``: no record ever waits."""
        return None

    def close(self) -> None:
        """Close the chests' connections."""
        for chest in self._chests:
            chest.close()

    def start_close(self) -> Callable[[], None]:
        """Return :meth:`close`: nothing has to be waited for."""
        return self.close

    def _write(self, chest: ChestLike, line: bytes) -> None:
        # Only one thread at a time may call a chest; the request waits for the lock.
        with chest.lock:
            account = self._ledger.account(chest.name)
            try:
                chest.write(Batch([line]))
            except Exception as error:
                account.lost["failed"] += 1
                announce(
                    delivery_failed, self._signal_sender, chest=chest.name, error=error, count=1
                )
                raise
            account.delivered += 1
        announce(batch_delivered, self._signal_sender, chest=chest.name, count=1)
