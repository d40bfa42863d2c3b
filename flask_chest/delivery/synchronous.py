"""No buffer: a record is written before the response, and a failure is the request's."""

from __future__ import annotations

from collections.abc import Sequence

from ..record.encoding import Batch
from ..signals import announce, batch_delivered, delivery_failed
from .ledger import Ledger
from .sender import ChestLike


class SynchronousDelivery:
    """Writes each record to its chests at once.

    :param chests: where records go; their order gives the bits of a mask.
    :param sender: the app, for signals.
    """

    def __init__(self, chests: Sequence[ChestLike], sender: object) -> None:
        self._chests = chests
        self._sender = sender
        self._ledger = Ledger()

    def hand_over(self, line: bytes, mask: int) -> None:
        """Write one record.

        :raises flask_chest.errors.ChestError: a chest did not accept it; the others were tried.
            What else a backend raises is raised likewise.
        """
        failure: Exception | None = None
        for bit, chest in enumerate(self._chests):
            if mask >> bit & 1:
                try:
                    self._write(chest, line)
                except Exception as error:  # noqa: BLE001 - a backend of theirs may raise anything
                    failure = failure or error
        if failure is not None:
            raise failure

    def flush(self, timeout: float | None = None) -> bool:
        """Nothing ever waits."""
        return True

    def ledger(self) -> Ledger:
        """What this process wrote."""
        for chest in self._chests:
            self._ledger.account(chest.name)
        return self._ledger

    def oldest(self, chest: str) -> int | None:
        """Nothing ever waits."""
        return None

    def close(self) -> None:
        """Let go of the chests' connections."""
        for chest in self._chests:
            chest.close()

    def _write(self, chest: ChestLike, line: bytes) -> None:
        # A chest is called by one thread at a time; here that is what the app chose to wait for.
        with chest.lock:
            account = self._ledger.account(chest.name)
            try:
                chest.write(Batch([line]))
            except Exception as error:
                account.lost["failed"] += 1
                announce(delivery_failed, self._sender, chest=chest.name, error=error, count=1)
                raise
            account.delivered += 1
        announce(batch_delivered, self._sender, chest=chest.name, count=1)
