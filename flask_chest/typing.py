"""Type aliases for annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

#: The value of a recorded variable: the types of JSON.
Plain: TypeAlias = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None

#: Tracked variables: ``None`` (every public plain value), a list of names, or lists by method.
TrackedVars: TypeAlias = Sequence[str] | Mapping[str, Sequence[str]] | None

#: Makes a request id, as text of at most 255 characters; called once per request.
RequestIdGenerator: TypeAlias = Callable[[], Any]

#: Name, value and request id of one variable, for payload generators and writers of 0.0.x.
ContextTuple: TypeAlias = tuple[str, Any, str]

#: The origin of a record.
Kind: TypeAlias = Literal["request", "command", "job"]
