"""InfluxDB, against its own engine, against VictoriaMetrics, and against answers made up."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from flask_chest.chests.influxdb import FlaskChestInfluxDB
from flask_chest.chests.urls import make_chest
from flask_chest.conformance import check_chest, make_records
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record import Record
from tests.servers.certificates import PrivateCA
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


@pytest.fixture
def endpoint() -> Iterator[HTTPRecorder]:
    with HTTPRecorder() as endpoint:
        yield endpoint


def chest_at(endpoint: HTTPRecorder, **arguments: Any) -> FlaskChestInfluxDB:
    return FlaskChestInfluxDB(host="127.0.0.1", port=endpoint.port, token=TOKEN, **arguments)


def chest_of(server: InfluxDB, measurement: str, **arguments: Any) -> FlaskChestInfluxDB:
    return FlaskChestInfluxDB.from_url(server.url, measurement=measurement, **arguments)


@pytest.mark.server
def test_conforms(server: InfluxDB, measurement: str) -> None:
    """It passes the suite that every backend must pass; a tag beyond Influx' limit is rejected."""
    sent: dict[str, str] = {}

    class Chest(FlaskChestInfluxDB):
        def write(self, records: Any) -> None:
            # The id is no part of a point; tell the points of this test by their request id.
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
    )
    assert len(done) == 6


@pytest.mark.server
def test_given_server_conforms(measurement: str) -> None:
    """A server of the user's own passes the suite too, as far as it may be disturbed."""
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
    """Tags are the facts and the constant tags; fields are variables, duration, request id."""
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
    """A variable that is an int now and a float later is one field of numbers."""
    values = [1, 2.5, 2**60, -3, 1e308]
    records = [
        replace(record, vars={"total": value})
        for record, value in zip(make_records(5), values, strict=True)
    ]
    chest_of(server, measurement).write(records)
    rows = server.query(f'SELECT total FROM "{measurement}"')
    assert [float(row["total"]) for row in rows] == [float(value) for value in values]


@pytest.mark.server
def test_types_that_change_altogether(server: InfluxDB, measurement: str) -> None:
    """Text where a number was is kept beside it, in the batch in which it came, and ever after."""
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
    """One line that Influx cannot take is rejected by its id, all others are stored."""
    records = make_records(9)
    records[4] = replace(records[4], route="x" * 70_000)
    with pytest.raises(RejectedError) as caught:
        chest_of(server, measurement).write(records)
    assert caught.value.record_ids == frozenset([records[4].id])
    assert len(server.query(f'SELECT request_id FROM "{measurement}"')) == 8


@pytest.mark.server
def test_same_microsecond(server: InfluxDB, measurement: str) -> None:
    """A thousand records of one route and microsecond are a thousand points, also when resent."""
    records = make_records(1000)
    records = [replace(record, time=records[0].time) for record in records]
    chest = chest_of(server, measurement)
    chest.write(records)
    chest.write(records[500:])
    chest.write(records[:500])
    assert len(server.query(f'SELECT request_id FROM "{measurement}"')) == 1000


@pytest.mark.server
def test_two_workers_in_the_same_microsecond(server: InfluxDB, measurement: str) -> None:
    """Two workers whose records meet in one microsecond keep both, by the digits of the ids."""
    one, two = make_records(2)
    one, two = replace(one, id="0" * 31 + "1"), replace(two, id="0" * 31 + "2", time=one.time)
    for record in (one, two, two, one):
        chest_of(server, measurement).write([record])
    rows = server.query(f'SELECT request_id FROM "{measurement}"')
    assert [row["request_id"] for row in rows] == ["check-0", "check-1"]


@pytest.mark.server
def test_too_large_for_one_request() -> None:
    """413 splits the batch; a record that is too large alone is rejected."""
    with InfluxDB(most=4000) as server:
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
    """A wrong setting is told with chest, address and remedy, and without the token."""
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
    """VictoriaMetrics takes the same lines: sums and means of numbers read back right."""
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


CLOUD = {"code": "invalid", "message": "failed to parse: error parsing line 2 (1-based): bad"}
VERSION_2 = {"code": "invalid", "message": "bad", "line": 2}
VERSION_3 = {"error": "partial write", "data": [{"line_number": 2, "error_message": "bad"}]}


@pytest.mark.parametrize("answer", [CLOUD, VERSION_2, VERSION_3])
def test_answers_that_name_lines(endpoint: HTTPRecorder, answer: dict[str, Any]) -> None:
    """The line that an answer names is rejected; the others are sent again without it."""
    endpoint.replies.append(Reply(400, body=json.dumps(answer).encode()))
    records = make_records(3)
    with pytest.raises(RejectedError) as caught:
        chest_at(endpoint).write(records)
    assert caught.value.record_ids == frozenset([records[1].id])
    first, second = (request.body.splitlines() for request in endpoint.requests)
    assert second == [first[0], first[2]]


@pytest.mark.parametrize("answer", [b'{"message": "partial write: dropped=1"}', b"<html>", b"[]"])
def test_answers_that_name_no_line(endpoint: HTTPRecorder, answer: bytes) -> None:
    """Where it is not known which line is bad, delivery must find out; one alone is to blame."""
    endpoint.replies.extend([Reply(422, body=answer), Reply(422, body=answer)])
    records = make_records(2)
    with pytest.raises(RejectedError) as caught:
        chest_at(endpoint).write(records)
    assert caught.value.record_ids is None
    with pytest.raises(RejectedError) as caught:
        chest_at(endpoint).write(records[:1])
    assert caught.value.record_ids == frozenset([records[0].id])


def test_conflicts_without_end(endpoint: HTTPRecorder) -> None:
    """A server that calls everything a conflict does not keep delivery busy for ever."""
    answer = (
        'partial write: field type conflict: input field "number" on measurement "flask_chest" '
        "is type float, already exists as type string dropped=2"
    )
    reply = Reply(422, body=json.dumps({"message": answer}).encode())
    endpoint.replies.extend([reply] * 50)
    with pytest.raises(RejectedError):
        chest_at(endpoint).write(make_records(2))
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_overload(endpoint: HTTPRecorder, status: int) -> None:
    """Overload and outages are later, with the server's Retry-After."""
    endpoint.replies.append(Reply(status, {"Retry-After": "7"}))
    with pytest.raises(DeliveryError) as caught:
        chest_at(endpoint).write(make_records(1))
    assert caught.value.retry_after == 7


def test_redirect_takes_no_token_along(endpoint: HTTPRecorder) -> None:
    """A redirect to another host gets neither token nor records."""
    with HTTPRecorder() as thief:
        endpoint.replies.append(Reply(307, {"Location": thief.url}))
        with pytest.raises(DeliveryError):
            chest_at(endpoint).write(make_records(1))
        assert thief.requests == []


def test_one_connection_is_kept(endpoint: HTTPRecorder) -> None:
    """Batches go over one connection, as bytes with the token."""
    chest = chest_at(endpoint)
    for record in make_records(5):
        chest.write([record])
    assert len({request.connection for request in endpoint.requests}) == 1
    assert endpoint.requests[0].headers["Authorization"] == f"Token {TOKEN}"


def test_private_ca(tmp_path: Path) -> None:
    """A certificate is checked: refused unless its CA is given, in the URL or as an argument."""
    ca = PrivateCA(tmp_path)
    with HTTPRecorder(ca.server_context("127.0.0.1")) as server:
        url = f"influxdb+https://:{TOKEN}@127.0.0.1:{server.port}/org/bucket"
        make_chest(f"{url}?verify={ca.file}").write(make_records(1))
        make_chest({"url": url, "verify": str(ca.file)}).write(make_records(1))
        with pytest.raises(DeliveryError, match="the file of the CA"):
            make_chest(url).write(make_records(1))
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "url",
    [
        "influxdb://:t@h/org",
        "influxdb://:t@h/org/bucket/more",
        "influxdb://:t@h/org/bucket?buckte=x",
        "influxdb://:t@h:many/org/bucket",
    ],
)
def test_wrong_url(url: str) -> None:
    """What is missing or too much in a URL is told at start-up."""
    with pytest.raises(ConfigError):
        make_chest(url)


@pytest.mark.parametrize(
    "arguments", [{"measurement": ""}, {"measurement": "_x"}, {"verify": False}, {"url": "ftp://h"}]
)
def test_wrong_arguments(arguments: dict[str, Any]) -> None:
    """So are arguments that cannot be."""
    with pytest.raises(ConfigError):
        FlaskChestInfluxDB(**arguments)


def test_both_shapes_of_the_address() -> None:
    """url= and https/host/port lead to the same place; a URL without port has TLS' own."""
    assert FlaskChestInfluxDB(url="https://h:8086").url == "https://h:8086"
    assert FlaskChestInfluxDB(https=True, host="h", port=8086).url == "https://h:8086"
    assert FlaskChestInfluxDB.from_url("influxdb+https://:t@h/o/b").url == "https://h:443"


def test_request_without_a_route() -> None:
    """Facts that are missing leave no tag."""
    record = Record(id="0" * 32, time=make_records(1)[0].time, kind="job")
    with HTTPRecorder() as endpoint:
        chest_at(endpoint).write([record])
        assert endpoint.requests[0].body.startswith(b'flask_chest request_id="" ')
