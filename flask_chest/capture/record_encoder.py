"""Encodes fields, variables and a plan as one line of JSON. Uses no Flask, clock or I/O."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any

from ..record.json_line import FIELDS, dumps
from ..record.scalar_conversion import (
    clean_name,
)
from ..record.text_cleaning import clean_shallow, clean_text
from ..record.truncation import truncate_variables
from ..typing import Plain
from .encoding_cache import EncodingCache, FastPathArgs
from .tracked_variables import NO_FACTS, TrackedVariables

#: Every field of a record with its default.
DEFAULT_FIELDS: Mapping[str, Any] = {
    **dict.fromkeys(FIELDS),
    "kind": "request",
    "sample_rate": 1.0,
}

#: Fields that have their default in most requests.
RARE_FIELDS: Mapping[str, Any] = {
    name: DEFAULT_FIELDS[name]
    for name in ("trace_id", "error", "sample_rate", "bytes_sent", "disconnected")
}

#: The suffix of a line if no encoded fields follow.
END_OF_LINE = b"}"

# As a number: ``in`` tries bytes as a number first, and fails, before it searches for them.
_BACKSLASH = 92

# Python 3.10 has no groups.
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())


class RecordEncoder:
    """Encodes the records of one app.

    :param redact: the app's own patterns, which hold for every variable. ``None`` uses the default
        patterns, which do not hold for variables that the app names.
    :param max_value_bytes: UTF-8 bytes of one value.
    :param max_record_bytes: bytes of one encoded record.
    """

    def __init__(
        self, redact: tuple[str, ...] | None, max_value_bytes: int, max_record_bytes: int
    ) -> None:
        #: Selects the variables.
        self.variables = TrackedVariables(redact, max_value_bytes)
        self._max_value_bytes = max_value_bytes
        self._max_record_bytes = max_record_bytes

    def encode(
        self,
        fields: dict[str, Any],
        values: Mapping[str, object],
        encoding: EncodingCache,
        suffix: bytes = END_OF_LINE,
        facts: Mapping[str, Any] = NO_FACTS,
        details: Mapping[str, Plain] = NO_FACTS,
    ) -> bytes:
        """Return one encoded record.

        :param fields: the fields that are not in ``suffix``. This adds the variables as ``vars``.
        :param values: what is on ``g``.
        :param encoding: the plan of the route, and its cache.
        :param suffix: the other fields, from :meth:`encode_suffix`.
        :param facts: see :meth:`TrackedVariables.collect`.
        :param details: variables that explain the request; they are plain, and come last.
        """
        found = self.variables.collect(values, encoding, facts)
        fields["vars"] = {**found, **details, **found} if details else found
        try:
            line = dumps(fields)[:-1] + suffix
        except TypeError:  # a lone surrogate
            line = b""
        # Few records contain a backslash, and one byte is found much faster than six.
        has_nul = _BACKSLASH in line and b"\\u0000" in line
        if not has_nul and 0 < len(line) <= self._max_record_bytes:
            return line
        return self._encode_with_care(fields, suffix)

    def encode_suffix(self, fields: Mapping[str, Any]) -> bytes:
        """Encode fields once that are the same in many records."""
        clean = {name: self._clean(value) for name, value in fields.items()}
        return b"," + dumps(clean)[1:]

    def fast_path_args(self, encoding: EncodingCache) -> FastPathArgs | None:
        """Return the arguments of :meth:`RequestState.fast_line`, or ``None`` without a fast path.

        A sampled route has none: its records differ by their sample rate.
        """
        plan = encoding.plan
        if plan.sample < 1:
            return None
        return (
            plan.names,
            encoding.plain_key_sets,
            self.variables.max_text,
            encoding.static_suffix,
            self._max_record_bytes,
        )

    def _clean(self, value: Any) -> Any:
        return clean_text(value)[: self._max_value_bytes] if type(value) is str else value

    def _encode_with_care(self, fields: dict[str, Any], suffix: bytes) -> bytes:
        fields = {name: self._clean(value) for name, value in fields.items()}
        # Texts, and dicts of texts, were not checked one by one.
        found: dict[str, Plain] = {
            clean_name(name): clean_shallow(value) for name, value in fields["vars"].items()
        }
        envelope = len(dumps({**fields, "vars": {}})) + len(suffix)
        fields["vars"] = truncate_variables(found, self._max_record_bytes - envelope)
        return dumps(fields)[:-1] + suffix


def error_name(error: BaseException) -> str:
    """Return an exception's class as a record stores it, never the exception's text.

    A group of one exception has the name of that exception, see :func:`sole_exception`.
    """
    return class_name(sole_exception(error))


def class_name(error: BaseException) -> str:
    """Return an exception's own class, also of a group."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def sole_exception(error: BaseException) -> BaseException:
    """Return the exception within groups of one, or the exception itself.

    Flask 3.2 raises what a teardown function raises in two such groups.
    """
    while isinstance(error, _GROUP):
        exceptions: tuple[BaseException, ...] = error.exceptions
        if len(exceptions) > 1:
            break
        error = exceptions[0]
    return error
