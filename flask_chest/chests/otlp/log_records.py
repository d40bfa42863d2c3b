"""Encodes records as log records of OpenTelemetry, by its conventions for HTTP.

https://opentelemetry.io/docs/specs/otel/logs/data-model/
https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..._version import __version__
from ...record.json_line import dumps, loads
from .any_values import add_attributes, set_value

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

#: Fields that are equal in many records -> attribute.
SHARED = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "error": "error.type",
    "endpoint": "chest.endpoint",
    "blueprint": "chest.blueprint",
    "sample_rate": "chest.sample_rate",
    "disconnected": "chest.disconnected",
}

#: Fields that differ in each record -> attribute. A reader recognizes a record that was sent twice
#: by ``log.record.uid``:
#: https://opentelemetry.io/docs/specs/semconv/general/logs/#general-log-identification-attributes
OWN = {
    "id": "log.record.uid",
    "request_id": "chest.request_id",
    "duration_ms": "chest.duration_ms",
    "bytes_sent": "http.response.body.size",
}

#: Tag of an app -> attribute of its resource, if a convention names one.
RESOURCE = {
    "service": "service.name",
    "version": "service.version",
    "env": "deployment.environment.name",
}

_RESERVED = frozenset({*SHARED.values(), *OWN.values()})
_PREFIX = "var."
_INFO, _ERROR = (9, "INFO"), (17, "ERROR")
_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID = re.compile(r"(?!0{16})[0-9a-f]{16}")
# Shapes that are remembered.
_MAX_SHAPES = 1024


class LogEncoder:
    """Encodes batches as requests to a collector.

    :param resource: attributes of the resource, beside the app's tags.
    """

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self._resource = resource
        self._shapes: dict[tuple[Any, ...], _Shape] = {}

    def encode(self, lines: Iterable[bytes], app_name: str) -> bytes:
        """Return the body of one request.

        :param app_name: the name of the service, unless a tag or resource attribute sets it.
        """
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        # Records in the journal may come from an earlier version of the app, with other tags.
        by_tags: dict[bytes, list[dict[str, Any]]] = {}
        for line in lines:
            values = loads(line)
            by_tags.setdefault(dumps(values["tags"]), []).append(values)
        request = ExportLogsServiceRequest()
        for tags, group in by_tags.items():
            self._add(request, loads(tags), group, app_name)
        body: bytes = request.SerializeToString()
        return body

    def _add(
        self,
        request: ExportLogsServiceRequest,
        tags: Mapping[str, Any],
        group: Sequence[Mapping[str, Any]],
        app_name: str,
    ) -> None:
        named = {RESOURCE.get(name, name): value for name, value in tags.items() if name}
        # A service must have a name: https://opentelemetry.io/docs/specs/semconv/resource/#service
        default = {"service.name": app_name or "unknown_service"}
        part = request.resource_logs.add()
        add_attributes(part.resource, {**default, **named, **self._resource})
        scope = part.scope_logs.add()
        scope.scope.name, scope.scope.version = "flask_chest", __version__
        add = scope.log_records.append  # it appends a copy
        for values in group:
            add(self._shape(values).fill(values))

    def _shape(self, values: Mapping[str, Any]) -> _Shape:
        shared = [values[field] for field in SHARED]
        present = [values[field] is None for field in OWN]
        key = (values["kind"], *shared, *present, *values["vars"])
        known = self._shapes.get(key)
        if known is None:
            if len(self._shapes) >= _MAX_SHAPES:
                self._shapes.clear()
            known = self._shapes[key] = _Shape(values)
        return known


class _Shape:
    """Log records that differ only in the attributes of ``OWN`` and of the variables.

    One message is filled for all of them, since creating an attribute costs ten times as much as
    setting its value.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

        self._record = LogRecord()
        record: Any = self._record
        name = f"chest.{values['kind']}"
        failed = values["error"] is not None or (values["status"] or 0) >= 500
        record.severity_number, record.severity_text = _ERROR if failed else _INFO
        record.event_name = record.body.string_value = name
        add_attributes(record, _shared(values, failed))
        own = {field: name for field, name in OWN.items() if values[field] is not None}
        named = {name if is_free(name) else _PREFIX + name: name for name in values["vars"]}
        add_attributes(record, dict.fromkeys([*own.values(), *named]))
        first = len(record.attributes) - len(own) - len(named)
        holders = [pair.value for pair in record.attributes[first:]]
        self._own = list(zip(own, holders, strict=False))
        self._vars = list(zip(named.values(), holders[len(own) :], strict=True))

    def fill(self, values: Mapping[str, Any]) -> LogRecord:
        """Return the log record of a record; the next call changes it."""
        record: Any = self._record
        variables = values["vars"]
        time, spent = values["time"] * 1000, values["duration_ms"] or 0
        record.time_unix_nano = max(0, time)
        record.observed_time_unix_nano = max(0, time + int(spent * 1_000_000))
        for field, holder in self._own:
            set_value(holder, values[field])
        for name, holder in self._vars:
            set_value(holder, variables[name])
        trace = _id_in(_TRACE_ID, variables.get("trace_id"))
        trace = trace or _id_in(_TRACE_ID, values["trace_id"])
        # A span id without a trace id has no meaning.
        span = trace and _id_in(_SPAN_ID, variables.get("span_id"))
        record.trace_id, record.span_id = bytes.fromhex(trace), bytes.fromhex(span)
        return self._record


def is_free(name: str) -> bool:
    """Whether a variable's name can name its attribute; otherwise ``var.`` is put in front."""
    return name not in _RESERVED and not name.startswith(_PREFIX) and name != ""


def _shared(values: Mapping[str, Any], failed: bool) -> dict[str, Any]:
    found = {name: values[field] for field, name in SHARED.items() if values[field] is not None}
    if values["sample_rate"] == 1:
        del found["chest.sample_rate"]
    if failed:
        # By convention the status names an error that has no class.
        found.setdefault("error.type", str(values["status"]))
    return found


def _id_in(pattern: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""
