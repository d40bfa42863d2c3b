"""Log records of OpenTelemetry, parsed with its own package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flask_chest.chests.base import AppInfo
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.record.json_line import to_microseconds
from flask_chest.record.record import Record
from flask_chest.testing import make_records
from tests.servers.collector import Collector, attributes_of, records_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.fixture
def server() -> Iterator[Collector]:
    with Collector() as server:
        yield server


def send(server: Collector, record: Record, **arguments: Any) -> Any:
    """Send a record, and return the log record that the collector gets."""
    FlaskChestOTLP(server.url, **arguments).write([record])
    return records_of(server.taken[-1])[0]


def test_attributes(server: Collector) -> None:
    """A log record has the attributes of OpenTelemetry's conventions, and the variables."""
    [record] = make_records(1)
    record = replace(record, blueprint="shop", bytes_sent=12, disconnected=False, sample_rate=0.5)
    arrived = send(server, record)
    assert attributes_of(arrived) == {
        "http.request.method": "GET",
        "http.route": "/check/<int:number>",
        "http.response.status_code": 200,
        "http.response.body.size": 12,
        "log.record.uid": record.id,
        "chest.request_id": "check-0",
        "chest.duration_ms": 1.5,
        "chest.endpoint": "check",
        "chest.blueprint": "shop",
        "chest.disconnected": False,
        "chest.sample_rate": 0.5,
        **record.vars,
    }
    assert arrived.body.string_value == arrived.event_name == "chest.request"
    assert arrived.severity_text == "INFO"
    nanoseconds = to_microseconds(record.time) * 1000
    assert arrived.time_unix_nano == nanoseconds
    assert arrived.observed_time_unix_nano == nanoseconds + 1_500_000


def test_missing_facts(server: Collector) -> None:
    """The log record of a command has no attributes of HTTP."""
    [record] = make_records(1)
    command = Record(id=record.id, time=record.time, kind="command", endpoint="import-data")
    arrived = send(server, command)
    assert arrived.event_name == "chest.command"
    assert attributes_of(arrived) == {
        "log.record.uid": record.id,
        "chest.request_id": "",
        "chest.endpoint": "import-data",
    }


@pytest.mark.parametrize(
    ("facts", "kind"),
    [({"error": "KeyError", "status": 500}, "KeyError"), ({"status": 503}, "503")],
)
def test_error(server: Collector, facts: dict[str, Any], kind: str) -> None:
    """The type of an error is the class of its exception, or else the status."""
    arrived = send(server, replace(make_records(1)[0], **facts))
    assert attributes_of(arrived)["error.type"] == kind
    assert (arrived.severity_number, arrived.severity_text) == (17, "ERROR")


@pytest.mark.parametrize(
    ("record_trace", "variables", "trace", "span"),
    [
        (TRACE, {}, TRACE, ""),
        (TRACE, {"span_id": SPAN}, TRACE, SPAN),
        (None, {"trace_id": TRACE, "span_id": SPAN}, TRACE, SPAN),
        ("f" * 32, {"trace_id": TRACE, "span_id": SPAN}, TRACE, SPAN),
        (TRACE, {"trace_id": "0" * 32, "span_id": "nonsense"}, TRACE, ""),
        (None, {"trace_id": 7, "span_id": SPAN}, "", ""),
        ("by hand", {}, "", ""),
    ],
)
def test_trace_and_span(
    server: Collector, record_trace: str | None, variables: dict[str, Any], trace: str, span: str
) -> None:
    """The trace id comes from the header or a variable, the span id from a variable."""
    arrived = send(server, replace(make_records(1)[0], trace_id=record_trace, vars=variables))
    assert (arrived.trace_id.hex(), arrived.span_id.hex()) == (trace, span)


def test_resource(server: Collector) -> None:
    """Tags become attributes of the resource; records with other tags get another resource."""
    chest = FlaskChestOTLP(server.url, resource={"region": "eu"})
    chest.bind(AppInfo(instance_path=Path(), app_name="the-app"))
    one, two, three = make_records(3)
    named: dict[str, Any] = {"service": "shop", "env": "live", "version": "1", "rack": 7}
    chest.write([one, replace(two, tags=named), three])
    [request] = server.taken
    found = [attributes_of(each.resource) for each in request.resource_logs]
    assert found == [
        {"service.name": "the-app", "region": "eu"},
        {
            "service.name": "shop",
            "service.version": "1",
            "deployment.environment.name": "live",
            "rack": 7,
            "region": "eu",
        },
    ]
    [scope] = request.resource_logs[0].scope_logs
    assert scope.scope.name == "flask_chest"
    assert len(scope.log_records) == 2


def test_resource_without_an_app(server: Collector) -> None:
    """The service gets a default name if there is no app."""
    send(server, make_records(1)[0])
    found = attributes_of(server.taken[0].resource_logs[0].resource)
    assert found == {"service.name": "unknown_service"}


def test_reserved_names(server: Collector) -> None:
    """A variable with the name of an attribute of the chest gets ``var.`` in front."""
    variables: dict[str, Any] = {
        "http.route": "mine",
        "var.http.route": 2,
        "": 3,
        "var.": 4,
        "route": 5,
    }
    found = attributes_of(send(server, replace(make_records(1)[0], vars=variables)))
    assert found["http.route"] == "/check/<int:number>"
    assert found["var.http.route"] == "mine"
    assert found["var.var.http.route"] == 2
    assert found["var."] == 3
    assert found["var.var."] == 4
    assert found["route"] == 5


def test_integers_past_63_bits(server: Collector) -> None:
    """Integers past 63 bits become text, which keeps all digits."""
    variables = {"least": -(2**63), "most": 2**63 - 1, "more": 2**63}
    found = attributes_of(send(server, replace(make_records(1)[0], vars=variables)))
    assert {name: found[name] for name in variables} == {**variables, "more": str(2**63)}


def test_changing_types(server: Collector) -> None:
    """Each log record has its own values, although the encoder reuses one message."""
    values: list[Any] = [{"a": [1]}, None, [None, "x"], 7, {}, 2.5, [], True, "text", 2**64 - 1]
    records = [
        replace(record, vars={"value": value})
        for record, value in zip(make_records(len(values)), values, strict=True)
    ]
    FlaskChestOTLP(server.url).write(records)
    found = [each["value"] for each in server.records]
    assert found == [*values[:-1], str(values[-1])]
    assert [type(each) for each in found[:-1]] == [type(value) for value in values[:-1]]
    assert [each["log.record.uid"] for each in server.records] == [each.id for each in records]
