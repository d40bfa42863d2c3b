"""Without a buffer, each record is written to its chests immediately."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flask_chest import Record
from flask_chest.chests.memory import MemoryChest
from flask_chest.delivery.synchronous_delivery import SynchronousDelivery
from flask_chest.errors import DeliveryError
from flask_chest.record.json_line import encode
from flask_chest.signals import delivery_failed
from flask_chest.testing import make_records


class Failing(MemoryChest):
    """Raises an error for each batch."""

    def __init__(self, error: Exception) -> None:
        super().__init__(name="failing")
        self.error = error

    def write(self, records: Sequence[Record]) -> None:
        raise self.error


@pytest.mark.parametrize("error", [DeliveryError("out of order"), ZeroDivisionError()])
def test_a_failing_chest_does_not_affect_the_others(error: Exception) -> None:
    """The other chest stores the record; the failure is counted, signalled and raised."""
    sender = object()
    other = MemoryChest(name="other")
    direct = SynchronousDelivery([Failing(error), other], sender)
    heard: list[object] = []

    def hear(_: object, *, error: Exception, **__: object) -> None:
        heard.append(error)

    delivery_failed.connect(hear, sender)
    [record] = make_records(1)
    with pytest.raises(type(error)):
        direct.hand_over(encode(record), 0b11)
    assert other.records == [record]
    assert heard == [error]
    accounts = direct.ledger().accounts
    assert accounts["failing"].lost == {"failed": 1}
    assert accounts["other"].delivered == 1
