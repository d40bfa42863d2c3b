"""What a collector answers: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response"""

from __future__ import annotations

from typing import NamedTuple

from ..http.response import Response

_JSON = "json"
_PROTOBUF = "protobuf"
_QUOTED = 300


class Outcome(NamedTuple):
    """What became of a request that was answered with success.

    :param rejected: how many of its records were not taken.
    :param message: the collector's words.
    """

    rejected: int
    message: str


def read_outcome(answer: Response) -> Outcome | None:
    """The outcome; ``None`` where the answer is not one of a collector."""
    if not answer.body:
        return Outcome(0, "")
    from google.protobuf.json_format import Parse, ParseError
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    response = ExportLogsServiceResponse()
    try:
        if _JSON in _type_of(answer):
            Parse(answer.body, response, ignore_unknown_fields=True)
        elif _PROTOBUF in _type_of(answer):
            response.ParseFromString(answer.body)
        else:
            return None
    except (DecodeError, ParseError):
        return None
    partial = response.partial_success
    return Outcome(partial.rejected_log_records, _one_line(partial.error_message))


def told(answer: Response) -> str:
    """Status and message of an answer, on one line."""
    if _PROTOBUF not in _type_of(answer):
        return answer.told()
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess

    # It is a google.rpc.Status, which is no part of OpenTelemetry's package. This has the same
    # fields: a number, then a text.
    status = ExportLogsPartialSuccess()
    try:
        status.ParseFromString(answer.body)
    except DecodeError:
        return f"it answered {answer.status} {answer.reason}"
    words = _one_line(status.error_message)
    return f"it answered {answer.status} {answer.reason} {words}".rstrip()


def _type_of(answer: Response) -> str:
    return answer.headers.get("Content-Type", "").lower()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_QUOTED]
