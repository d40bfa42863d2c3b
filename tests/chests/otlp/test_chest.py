"""The OTLP chest, against a collector that parses requests with OpenTelemetry's package."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flask_chest.chests.factory import make_chest
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.record.batch import Batch
from flask_chest.record.json_line import encode
from flask_chest.testing import check_chest, make_records
from tests.servers.certificates import PrivateCA
from tests.servers.collector import TYPE, Collector, partial, status
from tests.servers.daemon import free_port
from tests.servers.http import Reply


@pytest.fixture
def server() -> Iterator[Collector]:
    with Collector() as server:
        yield server


def test_conforms(server: Collector) -> None:
    """The chest passes the suite; ``log.record.uid`` identifies duplicates."""
    server.reject = b"no-such-thing"
    done = check_chest(
        lambda: FlaskChestOTLP(server.url),
        read=lambda: {record["log.record.uid"] for record in server.records},
        poison=replace(make_records(1)[0], request_id="no-such-thing"),
        server=server,
        timeout=1,
    )
    assert len(done) == 6


def test_gzip(server: Collector) -> None:
    """A body can be compressed."""
    chest = make_chest(f"otlp+{server.url}?compression=gzip")
    chest.write(make_records(100))
    assert len(server.records) == 100
    assert server.requests[0].headers["Content-Encoding"] == "gzip"
    assert len(server.requests[0].body) < 100 * 50


def test_headers_and_connection(server: Collector) -> None:
    """Each request has the configured headers, and all batches use one connection."""
    chest = FlaskChestOTLP(server.url, headers={"X-Key": "k"})
    for record in make_records(3):
        chest.write([record])
    assert {request.headers["X-Key"] for request in server.requests} == {"k"}
    assert len({request.connection for request in server.requests}) == 1


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504, 401, 403, 404, 405, 415, 301])
def test_temporary_errors(server: Collector, code: int) -> None:
    """After throttling, outages, wrong credentials and wrong addresses the records wait."""
    server.replies.append(Reply(code, {"Retry-After": "7"}))
    with pytest.raises(DeliveryError) as caught:
        FlaskChestOTLP(server.url).write(make_records(1))
    throttled = code in {408, 429} or code >= 500
    assert caught.value.retry_after == (7 if throttled else None)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [400, 413, 422])
def test_rejections(server: Collector, code: int) -> None:
    """A rejected batch names no id and a single record its own; the error has the code."""
    server.replies.extend([Reply(code, TYPE, status("bad data"))] * 2)
    chest = FlaskChestOTLP(server.url)
    for records, blamed in ((make_records(2), None), (make_records(1), 1)):
        with pytest.raises(RejectedError, match=rf"{code} .*\(INVALID_ARGUMENT\)") as caught:
            chest.write(records)
        assert ("max_request_body_size" in str(caught.value)) == (code == 413)
        assert (caught.value.record_ids and len(caught.value.record_ids)) == blamed


def test_too_large_body_is_halved() -> None:
    """Delivery halves a batch until its parts fit; each record is stored once."""
    with Collector(max_body_bytes=10_000) as server:
        records, left = make_records(100), 100
        chest, size = FlaskChestOTLP(server.url), 100
        while left:
            batch = Batch([encode(record) for record in records[100 - left :][:size]])
            try:
                chest.write(batch)
                left -= len(batch)
            except RejectedError:
                size //= 2
        assert [each["log.record.uid"] for each in server.records] == [each.id for each in records]


def test_partial_success(server: Collector) -> None:
    """If the collector rejects records without naming them, they are only counted."""
    server.refuses = lambda record: record["number"] in {1, 2}
    with pytest.raises(RejectedError, match=r"rejected 2 of 5 ") as caught:
        FlaskChestOTLP(server.url).write(make_records(5))
    assert (caught.value.unnamed, caught.value.record_ids) == (2, None)
    assert len(server.requests) == 1


def test_all_rejected(server: Collector) -> None:
    """If the collector rejects all records, all ids are named."""
    server.refuses = lambda record: True
    records = make_records(3)
    with pytest.raises(RejectedError, match="it rejected the record") as caught:
        FlaskChestOTLP(server.url).write(records)
    assert set(caught.value.record_ids or ()) == {record.id for record in records}
    assert caught.value.unnamed == 0


def test_warning(server: Collector, caplog: pytest.LogCaptureFixture) -> None:
    """The warning of a collector that accepts all records is logged once a minute."""
    server.replies.extend([Reply(200, TYPE, partial(0, "use v2"))] * 2)
    chest = FlaskChestOTLP(server.url)
    with caplog.at_level(logging.WARNING):
        for record in make_records(2):
            chest.write([record])
    [message] = [record.message for record in caplog.records]
    assert message.startswith(f"chest 'otlp' at otlp+http://127.0.0.1:{server.port}: ")
    assert message.endswith("with a warning; the log has its words at level DEBUG")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, {"Content-Type": "application/json"}, b'{"partialSuccess": {}, "took": 3}'),
        Reply(200, {"Content-Type": "application/json"}, b"{}"),
        Reply(200, {}, b""),
        Reply(202, TYPE, b""),
    ],
)
def test_successful_responses(server: Collector, reply: Reply) -> None:
    """A collector may respond with JSON or with an empty body."""
    server.replies.append(reply)
    FlaskChestOTLP(server.url).write(make_records(1))
    assert len(server.requests) == 1


def test_partial_success_in_json(server: Collector) -> None:
    """In JSON the number of rejected records is text."""
    body = b'{"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "old"}}'
    server.replies.append(Reply(200, {"Content-Type": "application/json"}, body))
    with pytest.raises(RejectedError, match="1 of 2 "):
        FlaskChestOTLP(server.url).write(make_records(2))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, {"Content-Type": "text/html"}, b"<h1>Welcome</h1>"),
        Reply(200, {"Content-Type": "application/json"}, b"welcome"),
        Reply(200, TYPE, b"<h1>Welcome</h1>"),
    ],
)
def test_not_a_collector(server: Collector, reply: Reply) -> None:
    """If another server responds with success, the records wait."""
    server.replies.append(reply)
    with pytest.raises(DeliveryError, match="no OTLP collector; set 'url'"):
        FlaskChestOTLP(server.url).write(make_records(1))


@pytest.mark.parametrize("code", [401, 503])
def test_check(server: Collector, code: int) -> None:
    """The check stores nothing, and reports errors that would prevent delivery."""
    chest = FlaskChestOTLP(server.url)
    chest.check()
    assert server.records == []
    server.replies.append(Reply(400, TYPE, status("no records")))
    chest.check()
    server.replies.append(Reply(code))
    with pytest.raises(DeliveryError):
        chest.check()


def test_binary_responses_are_not_quoted(server: Collector) -> None:
    """An error does not quote a body that cannot be parsed."""
    server.replies.append(Reply(400, TYPE, b"\xff\xff"))
    with pytest.raises(RejectedError, match=r"it answered 400 Bad Request$"):
        FlaskChestOTLP(server.url).write(make_records(1))


def test_private_ca(tmp_path: Path) -> None:
    """A certificate is checked against the file of a private CA."""
    authority = PrivateCA(tmp_path)
    with Collector(authority.server_context("127.0.0.1")) as server:
        make_chest(f"otlp+{server.url}?verify={authority.file}").write(make_records(1))
        with pytest.raises(DeliveryError, match="the file of the CA"):
            make_chest(f"otlp+{server.url}").write(make_records(1))
        assert len(server.records) == 1


def test_credentials_stay_out_of_errors() -> None:
    """An error shows host and remedy, but neither path, credentials nor headers."""
    port = free_port()
    url = f"otlp+http://me:pass-word@127.0.0.1:{port}/path-secret"
    chest = make_chest({"url": url, "headers": {"X": "header-secret"}})
    with pytest.raises(DeliveryError, match=rf"127\.0\.0\.1:{port}.*check host and") as caught:
        chest.write(make_records(1))
    for text in (str(caught.value), repr(chest)):
        assert "secret" not in text
        assert "pass-word" not in text


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("otlp+http://collector", "http://collector:4318/v1/logs"),
        ("otlp+https://vendor.example/otlp/", "https://vendor.example:443/otlp/v1/logs"),
        ("otlp+http://collector:1/v1/logs", "http://collector:1/v1/logs"),
        ("otlp+http://[::1]", "http://[::1]:4318/v1/logs"),
    ],
)
def test_endpoint(url: str, endpoint: str) -> None:
    """The path and the port of the protocol are added to the URL."""
    chest = make_chest(url)
    assert isinstance(chest, FlaskChestOTLP)
    assert chest.url == endpoint


@pytest.mark.parametrize(
    ("url", "arguments", "words"),
    [
        ("otlp+http://", {}, "names no host; write e.g. 'otlp"),
        ("otlp+http://c:x", {}, "no number"),
        ("otlp+http://c?compress=1", {}, "unknown URL parameter 'compress'"),
        ("otlp+http://c?compression=zip", {}, "expected 'gzip' or 'none'"),
        ("otlp+http://c", {"verify": False}, "'verify' is True"),
        ("otlp+https://c?verify=false", {}, "'verify' is True"),
        ("influxdb+https://:t@h/org/bucket?verify=False", {}, "'verify' is True"),
        ("clickhouse+https://h?verify=0", {}, "'verify' is True"),
        ("otlp+http://c", {"resource": {"a": object}}, "resource: 'a'"),
    ],
)
def test_wrong_address(url: str, arguments: dict[str, Any], words: str) -> None:
    """A wrong URL or argument is reported at start-up."""
    with pytest.raises(ConfigError, match=words):
        make_chest({"url": url, **arguments})


@pytest.mark.parametrize("url", ["ftp://c", "http://c?key=1"])
def test_wrong_url(url: str) -> None:
    """The constructor refuses a URL with another scheme or with a query."""
    with pytest.raises(ConfigError, match="'url'"):
        FlaskChestOTLP(url)
