"""The JSON schema of mozlog 2.0, as Mozilla published it for its services."""

from __future__ import annotations

from typing import Any

_VALUE = {"type": ["string", "number", "boolean"]}
_ARRAY = {
    "type": "array",
    "minItems": 1,
    "oneOf": [{"items": {"type": kind}} for kind in ("string", "number", "boolean")],
}
_OBJECT = {
    "type": "object",
    "required": ["value"],
    "properties": {
        "value": {"oneOf": [_VALUE, _ARRAY]},
        "representation": {"type": "string"},
    },
}

MOZLOG: dict[str, Any] = {
    "type": "object",
    "required": ["Timestamp"],
    "properties": {
        "Timestamp": {"type": "integer", "minimum": 0},
        "Type": {"type": "string"},
        "Logger": {"type": "string"},
        "Hostname": {"type": "string", "format": "hostname"},
        "EnvVersion": {"type": "string", "pattern": r"^\d+(?:\.\d+){0,2}$"},
        "Severity": {"type": "integer", "minimum": 0, "maximum": 7},
        "Pid": {"type": "integer", "minimum": 0},
        "Fields": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [_VALUE, _ARRAY, _OBJECT]},
        },
    },
}
