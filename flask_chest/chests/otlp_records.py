"""Records as log records of OpenTelemetry, by its conventions for HTTP.

https://opentelemetry.io/docs/specs/otel/logs/data-model/
https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..encoding import dumps, loads
from .otlp_values import add_attributes

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

#: Fields that many records have in common -> attribute.
SHARED = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "error": "error.type",
    "endpoint": "chest.endpoint",
    "blueprint": "chest.blueprint",
    "sample_rate": "chest.sample_rate",
}

#: Fields that are a record's own -> attribute. ``log.record.uid`` tells a reader that two are one:
#: https://opentelemetry.io/docs/specs/semconv/general/logs/#general-log-identification-attributes
OWN = {
    "id": "log.record.uid",
    "request_id": "chest.request_id",
    "duration_ms": "chest.duration_ms",
    "bytes_sent": "http.response.body.size",
    "disconnected": "chest.disconnected",
}

#: Tag of an app -> attribute of its resource, where there is a convention for it.
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
# As many sets of shared fields are remembered.
_MAX_SHARED = 4096


class LogEncoder:
    """Makes requests to a collector of batches.

    :param resource: attributes of the resource, beside those that the app's tags give.
    """

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self._resource = resource
        self._shared: dict[tuple[Any, ...], bytes] = {}

    def encode(self, lines: Iterable[bytes], app_name: str) -> bytes:
        """The body of one request.

        :param app_name: the service's name, where no tag or resource attribute gives one.
        """
        # Records that waited may be of an earlier version of the app.
        by_tags: dict[bytes, list[dict[str, Any]]] = {}
        for line in lines:
            values = loads(line)
            by_tags.setdefault(dumps(values["tags"]), []).append(values)
        request: ExportLogsServiceRequest = self._request()
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
        # https://opentelemetry.io/docs/specs/semconv/resource/#service: it must have a name.
        default = {"service.name": app_name or "unknown_service"}
        part = request.resource_logs.add()
        add_attributes(part.resource, {**default, **named, **self._resource})
        scope = part.scope_logs.add()
        scope.scope.name, scope.scope.version = "flask_chest", __version__
        add = scope.log_records.add
        for values in group:
            record = add()
            # Messages that are merged are one message, and making their fields anew costs more.
            record.MergeFromString(self._shared_part(values))
            _fill(record, values)

    def _shared_part(self, values: Mapping[str, Any]) -> bytes:
        key = (values["kind"], *[values[field] for field in SHARED])
        known = self._shared.get(key)
        if known is None:
            if len(self._shared) >= _MAX_SHARED:
                self._shared.clear()
            known = self._shared[key] = self._make_shared(values)
        return known

    def _make_shared(self, values: Mapping[str, Any]) -> bytes:
        record = self._record()
        name = f"chest.{values['kind']}"
        failed = values["error"] is not None or (values["status"] or 0) >= 500
        record.severity_number, record.severity_text = _ERROR if failed else _INFO
        record.event_name = record.body.string_value = name
        found = _present(SHARED, values)
        if values["sample_rate"] == 1:
            del found["chest.sample_rate"]
        if failed:
            # By convention the status stands for an error that has no name.
            found.setdefault("error.type", str(values["status"]))
        add_attributes(record, found)
        made: bytes = record.SerializeToString()
        return made

    @cached_property
    def _request(self) -> Any:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

        return ExportLogsServiceRequest

    @cached_property
    def _record(self) -> Any:
        from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

        return LogRecord


def is_free(name: str) -> bool:
    """Whether a variable's name can be that of its attribute; else it gets ``var.`` in front."""
    return name not in _RESERVED and not name.startswith(_PREFIX) and name != ""


def _fill(record: LogRecord, values: Mapping[str, Any]) -> None:
    time = values["time"] * 1000
    record.time_unix_nano = max(0, time)
    record.observed_time_unix_nano = max(0, time + int((values["duration_ms"] or 0) * 1_000_000))
    variables = values["vars"]
    add_attributes(record, _present(OWN, values))
    add_attributes(
        record,
        {name if is_free(name) else _PREFIX + name: value for name, value in variables.items()},
    )
    trace = _id_in(_TRACE_ID, variables.get("trace_id")) or _id_in(_TRACE_ID, values["trace_id"])
    if trace:
        record.trace_id = bytes.fromhex(trace)
        # A span is one of a trace.
        record.span_id = bytes.fromhex(_id_in(_SPAN_ID, variables.get("span_id")))


def _present(fields: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[field] for field, name in fields.items() if values[field] is not None}


def _id_in(pattern: re.Pattern[str], value: object) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""
