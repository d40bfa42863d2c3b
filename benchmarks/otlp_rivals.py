"""Hand-written code that sends records by OTLP, for comparison."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask_chest.record.json_line import to_microseconds
from flask_chest.record.record import Record

Store = Callable[[Sequence[Record]], None]

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"


def from_sdk(url: str) -> Store:
    """Use OpenTelemetry's SDK, and export one batch at a time."""
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExportResult
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    exporter = OTLPLogExporter(endpoint=f"{url}/v1/logs")
    resource, scope = Resource({"service.name": "shop"}), InstrumentationScope("rival")

    def made(record: Record) -> Any:
        log = LogRecord(
            timestamp=to_microseconds(record.time) * 1000,
            severity_text="INFO",
            severity_number=SeverityNumber.INFO,
            body="chest.request",
            event_name="chest.request",
            attributes=_attributes(record),
        )
        return ReadableLogRecord(log, resource, scope)

    def store(records: Sequence[Record]) -> None:
        done = exporter.export([made(record) for record in records])
        assert done is LogRecordExportResult.SUCCESS

    return store


def from_package(url: str) -> Store:
    """Fill the messages of the protocol, and POST them."""
    import requests
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    session = requests.Session()
    session.headers["Content-Type"] = "application/x-protobuf"

    def store(records: Sequence[Record]) -> None:
        request = ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        _fill(resource.resource, {"service.name": "shop"})
        scope = resource.scope_logs.add()
        for record in records:
            log = scope.log_records.add()
            log.time_unix_nano = to_microseconds(record.time) * 1000
            log.severity_number, log.severity_text = 9, "INFO"
            log.event_name = log.body.string_value = "chest.request"
            _fill(log, _attributes(record))
        answer = session.post(f"{url}/v1/logs", data=request.SerializeToString())
        assert answer.status_code == 200

    return store


@contextmanager
def silent_collector() -> Iterator[str]:
    """A server that answers at once without parsing, so that only the clients are measured."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _serve(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as lines:
        while lines.readline():
            length = 0
            while (line := lines.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            lines.read(length)
            connection.sendall(_ANSWER)


def _attributes(record: Record) -> dict[str, Any]:
    return {
        "http.request.method": record.method,
        "http.route": record.route,
        "http.response.status_code": record.status,
        "log.record.uid": record.id,
        "chest.request_id": record.request_id,
        "chest.endpoint": record.endpoint,
        "chest.blueprint": record.blueprint,
        "chest.duration_ms": record.duration_ms,
        **record.vars,
    }


def _fill(holder: Any, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        pair = holder.attributes.add()
        pair.key = name
        if isinstance(value, str):
            pair.value.string_value = value
        elif isinstance(value, bool):
            pair.value.bool_value = value
        elif isinstance(value, int):
            pair.value.int_value = value
        else:
            pair.value.double_value = value
