"""ClickHouse: what is told of a server that is away, or of a proxy in front of it."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from flask_chest.chests.base import AppInfo
from flask_chest.chests.clickhouse.chest import FlaskChestClickHouse
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.testing import make_records
from tests.servers.clickhouse import ClickHouse, ask

pytestmark = pytest.mark.server


def test_the_driver_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A server that is away is told by the error alone, which delivery logs once a minute; what
    others ask through the same driver is logged as ever."""
    with ClickHouse() as server:
        chest = FlaskChestClickHouse(server.url)
        chest.bind(AppInfo(instance_path=Path(), timeout=2))
        chest.write(make_records(1))
        server.stop()
        with caplog.at_level(logging.INFO):
            for call in (partial(chest.write, make_records(1)), chest.check):
                with pytest.raises(DeliveryError, match="check host and port"):
                    call()
            assert caplog.records == []
            with pytest.raises(ClickHouseError):
                ask(server.url, "SELECT 1")
            assert caplog.records != []
        server.start()
        chest.write(make_records(1))
        chest.close()


def test_a_proxy_that_takes_no_long_body() -> None:
    """Delivery halves the batch until the record is found; the error says whose limit it is."""
    with ClickHouse(most_bytes=20_000) as server:
        chest = FlaskChestClickHouse(server.url)
        records = make_records(2)
        records[1] = replace(records[1], vars={"text": "x" * 30_000})
        for batch, blamed in ((records, None), (records[1:], {records[1].id})):
            with pytest.raises(
                RejectedError, match=r"no body of this length.* raise its"
            ) as caught:
                chest.write(batch)
            assert caught.value.record_ids == blamed
        chest.write(records[:1])
        chest.close()
        assert server.ask("SELECT id FROM chest_records") == [(records[0].id,)]
