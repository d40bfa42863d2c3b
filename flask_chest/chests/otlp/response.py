"""Reads the responses of a collector.

https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

from typing import NamedTuple

from ..http.response import Response

_JSON = "json"
_PROTOBUF = "protobuf"
_MAX_QUOTED_LENGTH = 300
# https://grpc.io/docs/guides/status-codes/
_GRPC_CODES = {
    3: "INVALID_ARGUMENT",
    5: "NOT_FOUND",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}


class Outcome(NamedTuple):
    """The result of a request with a successful status.

    :param rejected: number of records that the collector rejected.
    :param message: the collector's explanation or warning.
    """

    rejected: int
    message: str


def read_outcome(response: Response) -> Outcome | None:
    """Parse the body of a response; ``None`` if it is not the response of a collector."""
    if not response.body:
        return Outcome(0, "")
    from google.protobuf.json_format import Parse, ParseError
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    result = ExportLogsServiceResponse()
    try:
        if _JSON in _content_type(response):
            Parse(response.body, result, ignore_unknown_fields=True)
        elif _PROTOBUF in _content_type(response):
            result.ParseFromString(response.body)
        else:
            return None
    except (DecodeError, ParseError):
        return None
    partial = result.partial_success
    return Outcome(partial.rejected_log_records, _one_line(partial.error_message))


def summarize(response: Response) -> str:
    """Return the status of a response, with the name of the gRPC status in its body, if any."""
    code = _grpc_code(response)
    text = response.summarize()
    return f"{text} ({code})" if code else text


def _grpc_code(response: Response) -> str:
    if _PROTOBUF not in _content_type(response):
        return ""
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess

    # The body is a google.rpc.Status, which OpenTelemetry's package does not contain. This message
    # has the same fields: a number, then a text.
    status = ExportLogsPartialSuccess()
    try:
        status.ParseFromString(response.body)
    except DecodeError:
        return ""
    return _GRPC_CODES.get(status.rejected_log_records, "")


def _content_type(response: Response) -> str:
    return response.headers.get("Content-Type", "").lower()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_MAX_QUOTED_LENGTH]
