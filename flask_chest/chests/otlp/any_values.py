"""Encodes plain values as attributes of OpenTelemetry's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValueList
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1


def add_attributes(holder: LogRecord | Resource | Span, values: Mapping[str, Any]) -> None:
    """Add attributes to a log record, a span or a resource."""
    for name, value in values.items():
        pair = holder.attributes.add()
        pair.key = name
        # So that ``None`` becomes an empty value and not a missing one.
        pair.value.SetInParent()
        set_value(pair.value, value)


def set_value(holder: AnyValue, value: Any) -> None:
    """Set a value; the previous value of the message is replaced."""
    kind = type(value)
    if kind is str:
        holder.string_value = value
    elif kind is bool:
        holder.bool_value = value
    elif kind is int:
        _set_integer(holder, value)
    elif kind is float:
        holder.double_value = value
    else:
        holder.Clear()
        _set_compound(holder, value)


def _set_compound(holder: AnyValue, value: Any) -> None:
    if type(value) is list:
        holder.array_value.SetInParent()
        for each in value:
            set_value(holder.array_value.values.add(), each)
    elif type(value) is dict:
        _set_mapping(holder.kvlist_value, value)
    # For None the value stays empty.


def _set_integer(holder: AnyValue, value: int) -> None:
    if _MIN_INT <= value <= _MAX_INT:
        holder.int_value = value
    else:
        holder.string_value = str(value)  # a float would round it


def _set_mapping(holder: KeyValueList, values: Mapping[str, Any]) -> None:
    holder.SetInParent()
    for name, value in values.items():
        pair = holder.values.add()
        pair.key = name
        pair.value.SetInParent()
        set_value(pair.value, value)
