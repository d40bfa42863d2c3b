"""The InfluxDB chest, against InfluxDB and VictoriaMetrics."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.errors import DeliveryError, RejectedError
from flask_chest.testing import check_chest, make_records
from tests.servers.http import HTTPRecorder, Reply
from tests.servers.influxdb import TOKEN, InfluxDB
from tests.servers.victoriametrics import VictoriaMetrics


@pytest.fixture(scope="module")
def server() -> Iterator[InfluxDB]:
    with InfluxDB() as server:
        yield server


@pytest.fixture
def measurement() -> str:
    return f"chest_{uuid4().hex[:12]}"


def chest_of(server: InfluxDB, measurement: str, **arguments: Any) -> FlaskChestInfluxDB:
    return FlaskChestInfluxDB.from_url(server.url, measurement=measurement, **arguments)


@pytest.mark.server
def test_conforms(server: InfluxDB, measurement: str) -> None:
    """The chest passes the suite; a tag that is too long for InfluxDB is rejected."""
    sent: dict[str, str] = {}

    class Chest(FlaskChestInfluxDB):
        def write(self, records: Any) -> None:
            # A point has no record id, so this test identifies points by their request id.
            marked = [replace(record, request_id=record.id) for record in records]
            sent.update({record.id: record.request_id for record in marked})
            super().write(marked)

    done = check_chest(
        lambda: Chest.from_url(server.url, measurement=measurement),
        read=lambda: [
            row["request_id"] for row in server.query(f'SELECT request_id FROM "{measurement}"')
        ],
        poison=replace(make_records(1)[0], route="x" * 70_000),
        server=server,
        timeout=5,
    )
    assert len(done) == 6


@pytest.mark.server
def test_given_server_conforms(measurement: str) -> None:
    """The chest passes the suite with a server that the user provides."""
    url = os.environ.get("CHEST_TEST_INFLUXDB_URL")
    if not url:
        pytest.skip("CHEST_TEST_INFLUXDB_URL names no server")

    def read() -> list[str]:
        query = (
            f'from(bucket: "{chest.bucket}") |> range(start: -1h) '
            f'|> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "text")'
        )
        with InfluxDBClient(chest.url, chest.token, org=chest.org) as client:
            return [row["_value"] for table in client.query_api().query(query) for row in table]

    class Chest(FlaskChestInfluxDB):
        def write(self, records: Any) -> None:
            super().write([replace(record, vars={"text": record.id}) for record in records])

    chest = Chest.from_url(url, measurement=measurement)
    check_chest(lambda: Chest.from_url(url, measurement=measurement), read=read)


@pytest.mark.server
def test_point(server: InfluxDB, measurement: str) -> None:
    """A point has the request's facts and the constant tags as tags, and variables as fields."""
    [record] = make_records(1)
    record = replace(record, tags={"env": "test"}, error="KeyError", sample_rate=0.5)
    chest = chest_of(server, measurement, custom_tags={"host": "web 1, rack=2"})
    chest.write([record])
    [row] = server.query(f'SELECT * FROM "{measurement}"')
    assert (
        row.pop("time") // 1000 == (int(record.time.timestamp()) * 10**6) + record.time.microsecond
    )
    assert row == {
        "method": "GET",
        "route": "/check/<int:number>",
        "endpoint": "check",
        "status": "200",
        "env": "test",
        "host": "web 1, rack=2",
        "duration_ms": 1.5,
        "request_id": "check-0",
        "error": "KeyError",
        "sample_rate": 0.5,
        "number": 0,
        "share": 0.5,
        "flag": True,
        "text": "ä, \"b\" 'c'␊",
    }


@pytest.mark.server
def test_int_then_float(server: InfluxDB, measurement: str) -> None:
    """A variable that is first an int and then a float is stored in one field."""
    values = [1, 2.5, 2**60, -3, 1e308]
    records = [
        replace(record, vars={"total": value})
        for record, value in zip(make_records(5), values, strict=True)
    ]
    chest_of(server, measurement).write(records)
    rows = server.query(f'SELECT total FROM "{measurement}"')
    assert [float(row["total"]) for row in rows] == [float(value) for value in values]


@pytest.mark.server
def test_changing_types(server: InfluxDB, measurement: str) -> None:
    """If a number becomes text, the text goes to a second field, also in later batches."""
    records = make_records(6)
    values: list[Any] = [1, "one", True, 2, "two", None]
    records = [
        replace(record, vars={"total": value})
        for record, value in zip(records, values, strict=True)
    ]
    chest = chest_of(server, measurement)
    chest.write(records[:1])
    chest.write(records)
    chest.write(records)
    rows = server.query(f'SELECT * FROM "{measurement}"')
    kept = [(row["total"], row["total_string"], row["total_boolean"]) for row in rows]
    nothing = (None, None, None)
    assert kept == [
        (1, None, None),
        (None, "one", None),
        (None, None, True),
        (2, None, None),
        (None, "two", None),
        nothing,
    ]


@pytest.mark.server
def test_only_the_bad_line_is_rejected(server: InfluxDB, measurement: str) -> None:
    """A line that InfluxDB refuses is rejected by its id; all others are stored."""
    records = make_records(9)
    records[4] = replace(records[4], route="x" * 70_000)
    with pytest.raises(RejectedError) as caught:
        chest_of(server, measurement).write(records)
    assert caught.value.record_ids == frozenset([records[4].id])
    assert len(server.query(f'SELECT request_id FROM "{measurement}"')) == 8


@pytest.mark.server
def test_same_microsecond(server: InfluxDB, measurement: str) -> None:
    """A thousand records of one route and microsecond are a thousand points, also after a retry."""
    records = make_records(1000)
    records = [replace(record, time=records[0].time) for record in records]
    chest = chest_of(server, measurement)
    chest.write(records)
    chest.write(records[500:])
    chest.write(records[:500])
    assert len(server.query(f'SELECT request_id FROM "{measurement}"')) == 1000


@pytest.mark.server
def test_two_workers_in_the_same_microsecond(server: InfluxDB, measurement: str) -> None:
    """Records of two workers in one microsecond are two points, thanks to their ids."""
    one, two = make_records(2)
    one, two = replace(one, id="0" * 31 + "1"), replace(two, id="0" * 31 + "2", time=one.time)
    for record in (one, two, two, one):
        chest_of(server, measurement).write([record])
    rows = server.query(f'SELECT request_id FROM "{measurement}"')
    assert [row["request_id"] for row in rows] == ["check-0", "check-1"]


@pytest.mark.server
def test_too_large_for_one_request() -> None:
    """Status 413 halves the batch; a single record that is too large is rejected."""
    with InfluxDB(max_body_bytes=4000) as server:
        records = make_records(100)
        records[50] = replace(records[50], vars={"text": "x" * 5000})
        with pytest.raises(RejectedError) as caught:
            FlaskChestInfluxDB.from_url(server.url).write(records)
        assert caught.value.record_ids == frozenset([records[50].id])
        assert len(server.query("SELECT request_id FROM flask_chest")) == 99


@pytest.mark.server
@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        (TOKEN, "hunter22", "check the token"),
        ("/bucket", "/nowhere", "create this organization and bucket"),
        ("/org/", "/nowhere/", "create this organization and bucket"),
        ("127.0.0.1", "nowhere.invalid", "check host and port"),
    ],
)
def test_wrong_address(server: InfluxDB, old: str, new: str, remedy: str) -> None:
    """The error for a wrong setting has chest, address and remedy, but not the token."""
    chest = FlaskChestInfluxDB.from_url(server.url.replace(old, new), name="orders")
    with pytest.raises(DeliveryError, match=remedy) as caught:
        chest.write(make_records(1))
    for text in (str(caught.value), repr(chest)):
        assert "hunter22" not in text
        assert TOKEN not in text
    assert "chest 'orders' at http://" in str(caught.value)
    with pytest.raises(DeliveryError, match=remedy):
        chest.check()


@pytest.mark.server
def test_victoriametrics() -> None:
    """VictoriaMetrics accepts the same lines, and returns the right sums and means."""
    records = [
        replace(record, vars={"number": number, "text": 'a\nb,c="\\'})
        for number, record in enumerate(make_records(100))
    ]
    with VictoriaMetrics() as server:
        chest = FlaskChestInfluxDB(url=server.url)
        chest.check()
        chest.write(records)
        [numbers] = server.samples("flask_chest_number")
        [durations] = server.samples("flask_chest_duration_ms")
    assert sum(numbers["values"]) == sum(range(100))
    assert durations["values"] == [1.5] * 100
    assert numbers["metric"]["route"] == "/check/<int:number>"


def test_points_beyond_the_retention() -> None:
    """InfluxDB 2 answers 500 to points that it has dropped; they are rejected, not sent again."""
    message = "unexpected error writing points to database: partial write: points beyond retention "
    body = json.dumps({"code": "internal error", "message": f"{message}policy dropped=1"}).encode()
    with HTTPRecorder() as recorder:
        recorder.replies.extend([Reply(500, {"Content-Type": "application/json"}, body)] * 2)
        chest = FlaskChestInfluxDB(url=recorder.url.removesuffix("/hook"))
        records = make_records(2)
        with pytest.raises(RejectedError) as caught:
            chest.write(records)
        assert caught.value.record_ids is None, "delivery halves the batch"
        with pytest.raises(RejectedError, match="500") as caught:
            chest.write(records[:1])
        assert list(caught.value.record_ids or ()) == [records[0].id]
        chest.close()


@pytest.mark.server
def test_points_beyond_the_retention_on_a_server(server: InfluxDB, measurement: str) -> None:
    """The old record is rejected, and the others are stored."""
    server.query("CREATE RETENTION POLICY short ON bucket DURATION 1h REPLICATION 1 DEFAULT")
    try:
        chest = chest_of(server, measurement)
        old, new = make_records(2)
        old = replace(old, time=old.time - timedelta(days=2))
        with pytest.raises(RejectedError):
            chest.write([old])
        chest.write([new])
        chest.close()
        assert len(server.query(f'SELECT * FROM "short"."{measurement}"')) == 1
    finally:
        server.query("DROP RETENTION POLICY short ON bucket")
        server.query("ALTER RETENTION POLICY autogen ON bucket DEFAULT")
