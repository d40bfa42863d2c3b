"""A minimal OpenTelemetry collector: ``with Collector() as server: ...``."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from .http import HTTPRecorder, Reply, Request

TYPE = {"Content-Type": "application/x-protobuf"}


class Collector(HTTPRecorder):
    """Accepts logs by OTLP over HTTP and keeps them.

    :param context: the TLS context; without it the server uses plain HTTP.
    :param max_body_bytes: longer bodies are answered with 413.
    """

    def __init__(
        self, context: ssl.SSLContext | None = None, *, max_body_bytes: int | None = None
    ) -> None:
        super().__init__(context)
        #: The accepted requests, as messages of OpenTelemetry.
        self.taken: list[Any] = []
        #: Decides which log records of a request are rejected; the request's other records are not.
        self.refuses: Callable[[dict[str, Any]], bool] = lambda record: False
        self._max_body_bytes = max_body_bytes

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    @property
    def records(self) -> list[dict[str, Any]]:
        """The attributes of all accepted log records."""
        return [
            attributes_of(record)
            for request in self.taken
            for record in records_of(request)
            if not self.refuses(attributes_of(record))
        ]

    def answer(self, request: Request) -> Reply:
        reply = super().answer(request)
        if reply.status != 200 or reply.body != b"{}":
            return reply
        if self._max_body_bytes is not None and len(request.body) > self._max_body_bytes:
            return Reply(413, TYPE, status("the body is too large"))
        assert (request.method, request.path) == ("POST", "/v1/logs")
        headers = {name.title(): value for name, value in request.headers.items()}
        assert headers["Content-Type"] == TYPE["Content-Type"]
        body = request.body
        if headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        message = ExportLogsServiceRequest.FromString(body)
        self.taken.append(message)
        return Reply(200, TYPE, self._outcome(message))

    def _outcome(self, message: Any) -> bytes:
        refused = sum(self.refuses(attributes_of(record)) for record in records_of(message))
        return partial(refused, "not these") if refused else b""


def partial(refused: int, message: str) -> bytes:
    """Return a response with the number of rejected records."""
    success = ExportLogsPartialSuccess(rejected_log_records=refused, error_message=message)
    made: bytes = ExportLogsServiceResponse(partial_success=success).SerializeToString()
    return made


def status(message: str) -> bytes:
    """Return the bytes of a ``google.rpc.Status``: field 1 is a number, field 2 a text."""
    text = message.encode()
    return b"\x08\x03\x12" + bytes([len(text)]) + text


def records_of(request: Any) -> list[Any]:
    """Return the log records of a request."""
    return [
        record
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def attributes_of(holder: Any) -> dict[str, Any]:
    """Return the attributes of a log record or a resource as plain values."""
    found = {pair.key: read_value(pair.value) for pair in holder.attributes}
    assert len(found) == len(holder.attributes), "each name occurs once"
    return found


def read_value(value: Any) -> Any:
    """Return the plain value of an ``AnyValue``."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    content = getattr(value, kind)
    if kind == "array_value":
        return [read_value(each) for each in content.values]
    if kind == "kvlist_value":
        return {pair.key: read_value(pair.value) for pair in content.values}
    return content
