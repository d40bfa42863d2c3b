"""Delivers to an OpenTelemetry receiver that others wrote, rotel."""

from __future__ import annotations

import pytest

from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.testing import make_records
from tests.servers.collector import Collector
from tests.servers.rotel import Rotel
from tests.waiting import wait_until

pytestmark = pytest.mark.server


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_records_arrive(compression: str) -> None:
    """rotel accepts the records, and what it passes on has all their attributes."""
    records = make_records(5)
    with Collector() as target, Rotel(target.url) as receiver:
        chest = FlaskChestOTLP(receiver.url, compression=compression)
        chest.check()
        chest.write(records)
        wait_until(lambda: len(target.records) == len(records), lambda: receiver.log)
        chest.close()
        passed_on = {each["log.record.uid"]: each["number"] for each in target.records}
    assert passed_on == {record.id: record.vars["number"] for record in records}
