"""Responses of InfluxDB and of compatible servers, and wrong settings of the chest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest.chests.factory import make_chest
from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.record import Record
from flask_chest.testing import make_records
from tests.servers.certificates import PrivateCA
from tests.servers.http import HTTPRecorder, Reply
from tests.servers.influxdb import TOKEN


@pytest.fixture
def endpoint() -> Iterator[HTTPRecorder]:
    with HTTPRecorder() as endpoint:
        yield endpoint


def chest_at(endpoint: HTTPRecorder, **arguments: Any) -> FlaskChestInfluxDB:
    return FlaskChestInfluxDB(host="127.0.0.1", port=endpoint.port, token=TOKEN, **arguments)


CLOUD = {"code": "invalid", "message": "failed to parse: error parsing line 2 (1-based): bad"}
VERSION_2 = {"code": "invalid", "message": "bad", "line": 2}
VERSION_3 = {"error": "partial write", "data": [{"line_number": 2, "error_message": "bad"}]}


@pytest.mark.parametrize("answer", [CLOUD, VERSION_2, VERSION_3])
def test_responses_that_name_lines(endpoint: HTTPRecorder, answer: dict[str, Any]) -> None:
    """A line that the response names is rejected; the other lines are sent again."""
    endpoint.replies.append(Reply(400, body=json.dumps(answer).encode()))
    records = make_records(3)
    with pytest.raises(RejectedError) as caught:
        chest_at(endpoint).write(records)
    assert caught.value.record_ids == frozenset([records[1].id])
    first, second = (request.body.splitlines() for request in endpoint.requests)
    assert second == [first[0], first[2]]


@pytest.mark.parametrize("answer", [b'{"message": "partial write: dropped=1"}', b"<html>", b"[]"])
def test_responses_that_name_no_line(endpoint: HTTPRecorder, answer: bytes) -> None:
    """If the bad line is unknown, no id is named; a single record is named itself."""
    endpoint.replies.extend([Reply(422, body=answer), Reply(422, body=answer)])
    records = make_records(2)
    with pytest.raises(RejectedError) as caught:
        chest_at(endpoint).write(records)
    assert caught.value.record_ids is None
    with pytest.raises(RejectedError) as caught:
        chest_at(endpoint).write(records[:1])
    assert caught.value.record_ids == frozenset([records[0].id])


def test_endless_conflicts(endpoint: HTTPRecorder) -> None:
    """A server that reports a conflict for each request does not keep delivery busy forever."""
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
    """After overload or an outage the records are sent again, after the server's Retry-After."""
    endpoint.replies.append(Reply(status, {"Retry-After": "7"}))
    with pytest.raises(DeliveryError) as caught:
        chest_at(endpoint).write(make_records(1))
    assert caught.value.retry_after == 7


def test_redirect_gets_no_token(endpoint: HTTPRecorder) -> None:
    """A host that a redirect leads to gets neither token nor records."""
    with HTTPRecorder() as thief:
        endpoint.replies.append(Reply(307, {"Location": thief.url}))
        with pytest.raises(DeliveryError):
            chest_at(endpoint).write(make_records(1))
        assert thief.requests == []


def test_one_connection_is_kept(endpoint: HTTPRecorder) -> None:
    """All batches use one connection, with the token."""
    chest = chest_at(endpoint)
    for record in make_records(5):
        chest.write([record])
    assert len({request.connection for request in endpoint.requests}) == 1
    assert endpoint.requests[0].headers["Authorization"] == f"Token {TOKEN}"


def test_private_ca(tmp_path: Path) -> None:
    """A certificate is refused unless its CA is given in the URL or as an argument."""
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
    """A missing or unknown part of a URL is reported at start-up."""
    with pytest.raises(ConfigError):
        make_chest(url)


@pytest.mark.parametrize(
    "arguments",
    [
        {"measurement": ""},
        {"measurement": "_x"},
        {"verify": False},
        {"url": "ftp://h"},
        {"host": Flask(__name__)},  # as it was written for older versions
    ],
)
def test_wrong_arguments(arguments: dict[str, Any]) -> None:
    """Wrong arguments are reported at start-up."""
    with pytest.raises(ConfigError):
        FlaskChestInfluxDB(**arguments)


def test_both_shapes_of_the_address() -> None:
    """url= and https/host/port give the same address; a URL without a port uses the port of TLS."""
    assert FlaskChestInfluxDB(url="https://h:8086").url == "https://h:8086"
    assert FlaskChestInfluxDB(https=True, host="h", port=8086).url == "https://h:8086"
    assert FlaskChestInfluxDB.from_url("influxdb+https://:t@h/o/b").url == "https://h:443"


def test_request_without_a_route() -> None:
    """A request without a route has no tag for it."""
    record = Record(id="0" * 32, time=make_records(1)[0].time, kind="job")
    with HTTPRecorder() as endpoint:
        chest_at(endpoint).write([record])
        assert endpoint.requests[0].body.startswith(b'flask_chest request_id="" ')
