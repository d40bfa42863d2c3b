"""Delivers to a broker that others wrote, Tansu, and recovers when it has lost its state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_chest.chests.base import AppInfo
from flask_chest.chests.kafka.chest import FlaskChestKafka
from flask_chest.errors import DeliveryError
from flask_chest.record.json_line import decode
from flask_chest.testing import make_records
from tests.servers.tansu import Tansu

pytestmark = pytest.mark.server


@pytest.fixture
def broker() -> Iterator[Tansu]:
    with Tansu() as server:
        yield server


@pytest.fixture
def chest(broker: Tansu) -> Iterator[FlaskChestKafka]:
    chest = FlaskChestKafka(broker.url)
    chest.bind(AppInfo(instance_path=Path(), timeout=3))
    yield chest
    chest.close()


def test_records_arrive(broker: Tansu, chest: FlaskChestKafka) -> None:
    """Each record is one message with its id, and the broker is reachable."""
    chest.check()
    records = [*make_records(3), *make_records(2)]
    chest.write(records[:3])
    chest.write(records[3:])
    messages = broker.read(5)
    assert [decode(message.value() or b"") for message in messages] == records
    headers = [dict(message.headers() or [])["chest-record-id"] for message in messages]
    assert headers == [record.id.encode() for record in records]


def test_a_broker_that_forgot_the_producer(broker: Tansu, chest: FlaskChestKafka) -> None:
    """A restarted broker does not know the producer's id. A new producer delivers the records.

    Until then, the reason is what is wrong now, not that the broker could not be reached before.
    """
    chest.write(make_records(3))
    broker.stop()
    records = make_records(2)
    with pytest.raises(DeliveryError, match="check hosts and ports"):
        chest.write(records)
    broker.start()
    for _ in range(10):
        try:
            chest.write(records)
            break
        except DeliveryError as error:
            reason = str(error)
    else:
        pytest.fail(f"stuck: {reason}")
    assert "have not acknowledged the records" in reason
    assert {decode(message.value() or b"").id for message in broker.read(2)} == {
        record.id for record in records
    }
