"""Words that several floors share in annotations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

#: What a variable may be once it is recorded: the types of JSON.
Plain: TypeAlias = str | int | float | bool | list["Plain"] | dict[str, "Plain"] | None

#: How tracked variables are written: every public plain value, these names, or names by method.
TrackedVars: TypeAlias = Sequence[str] | Mapping[str, Sequence[str]] | None

#: Makes a request id; called once a request, its string is cut to 255 characters.
RequestIdGenerator: TypeAlias = Callable[[], Any]

#: One variable of one request, as older writers and payload generators get it.
ContextTuple: TypeAlias = tuple[str, Any, str]

#: What left the record behind.
Kind: TypeAlias = Literal["request", "command", "job"]
