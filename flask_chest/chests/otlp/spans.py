"""Encodes records that belong to a trace as spans of OpenTelemetry.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..._version import __version__
from ...record.json_line import dumps, loads
from .any_values import add_attributes
from .log_records import OWN, RESOURCE, SHARED, is_free

_SERVER, _CONSUMER, _INTERNAL = 2, 5, 1
_KINDS = {"request": _SERVER, "job": _CONSUMER}
_FAILED = 2
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")
# Variables that are fields of a span, or of its event.
_FIELDS = frozenset(("span_id", "parent_id", "tracestate", "trace_id"))
_EVENT = ("exception.message", "exception.stacktrace")


class SpanEncoder:
    """Encodes the records of a batch that have a trace, a span id and a duration.

    :param resource: attributes of the resource, beside the app's tags.
    """

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self._resource = resource

    def encode(self, lines: Iterable[bytes], app_name: str) -> bytes | None:
        """Return the body of one request; ``None`` if no record is a span.

        :param app_name: the name of the service, unless a tag or resource attribute sets it.
        """
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        by_tags: dict[bytes, list[dict[str, Any]]] = {}
        for line in lines:
            values = loads(line)
            if _is_span(values):
                by_tags.setdefault(dumps(values["tags"]), []).append(values)
        if not by_tags:
            return None
        message: Any = ExportTraceServiceRequest()
        for tags, group in by_tags.items():
            part = message.resource_spans.add()
            named = {RESOURCE.get(name, name): value for name, value in loads(tags).items() if name}
            default = {"service.name": app_name or "unknown_service"}
            add_attributes(part.resource, {**default, **named, **self._resource})
            scope = part.scope_spans.add()
            scope.scope.name, scope.scope.version = "flask_chest", __version__
            for values in group:
                _fill(scope.spans.add(), values)
        body: bytes = message.SerializeToString()
        return body


def _is_span(values: Mapping[str, Any]) -> bool:
    return (
        _matches(_TRACE_ID, values["trace_id"])
        and _matches(_SPAN_ID, values["vars"].get("span_id"))
        and values["duration_ms"] is not None
    )


def _fill(span: Any, values: Mapping[str, Any]) -> None:
    variables = values["vars"]
    span.trace_id = bytes.fromhex(values["trace_id"])
    span.span_id = bytes.fromhex(variables["span_id"])
    if _matches(_SPAN_ID, variables.get("parent_id")):
        span.parent_span_id = bytes.fromhex(variables["parent_id"])
    if isinstance(variables.get("tracestate"), str):
        span.trace_state = variables["tracestate"]
    span.name = _name_of(values)
    span.kind = _KINDS.get(values["kind"], _INTERNAL)
    begin = max(0, values["time"] * 1000)
    end = begin + int(values["duration_ms"] * 1_000_000)
    span.start_time_unix_nano, span.end_time_unix_nano = begin, end
    add_attributes(span, _attributes(values))
    if values["error"] is not None or (values["status"] or 0) >= 500:
        span.status.code = _FAILED
    if values["error"] is not None:
        event = span.events.add()
        event.name, event.time_unix_nano = "exception", end
        known = {name: variables[name] for name in _EVENT if isinstance(variables.get(name), str)}
        add_attributes(event, {"exception.type": values["error"], **known})


def _name_of(values: Mapping[str, Any]) -> str:
    if values["kind"] != "request":
        return str(values["endpoint"] or values["kind"])
    return " ".join(part for part in (values["method"], values["route"]) if part) or "request"


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    fields = {**SHARED, **OWN}
    made = {name: values[field] for field, name in fields.items() if values[field] is not None}
    del made["log.record.uid"]
    made["chest.id"] = values["id"]
    left_out = _FIELDS | set(_EVENT) if values["error"] is not None else _FIELDS
    for name, value in values["vars"].items():
        if name not in left_out:
            made[name if is_free(name) else f"var.{name}"] = value
    return made


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
