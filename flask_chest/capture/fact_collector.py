"""Collects the further facts of requests and jobs that ``CHEST_FACTS`` names."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..config.rule_matching import Route
from ..record.redaction import REDACTED
from .flask_g import tracked_namespace
from .logged_in_user import user_id
from .request_state import RequestFacts, RequestState

if TYPE_CHECKING:
    from flask.wrappers import Request, Response

# Characters of a path.
_MAX_PATH = 255
# Heroku sends milliseconds, nginx "t=" and seconds with a fraction, Apache "t=" and microseconds,
# and some hosts nanoseconds: https://github.com/judoscale/judoscale-ruby/pull/157
_REQUEST_START = re.compile(r"\s*(?:t=)?([0-9]{1,19}(?:\.[0-9]{1,9})?)\s*")
# Milliseconds. A longer wait shows that a clock is wrong.
_MAX_QUEUE = 3_600_000
# Milliseconds that the clock of a proxy may be ahead.
_MAX_AHEAD = 1000
_ARGUMENT = re.compile(r"<(?:[^<>]*:)?(\w+)>")


class FactCollector:
    """Collects the facts of one app. An app without ``CHEST_FACTS`` has no such object.

    :param names: the facts that are switched on.
    :param query_names: the query parameters that the fact ``query`` consists of.
    :param is_sensitive: returns whether the value with a name must not be stored.
    """

    def __init__(
        self,
        names: Iterable[str],
        query_names: Iterable[str],
        is_sensitive: Callable[[str], bool],
    ) -> None:
        self._names = frozenset(names)
        self._query_names = tuple(query_names) if "query" in self._names else ()
        self._is_sensitive = is_sensitive

    @property
    def has_cpu_time(self) -> bool:
        """Whether requests need :meth:`start_cpu_time`."""
        return "cpu_ms" in self._names

    def start_cpu_time(self, state: RequestState) -> None:
        """Note the CPU time of the thread at the start of a request."""
        if getattr(state, "facts", None) is None:
            state.facts = RequestFacts(time.thread_time(), threading.get_ident())

    def read(self, state: RequestState, seen: Request) -> None:
        """Save the facts that can be read only while Flask's contexts exist."""
        facts = getattr(state, "facts", None)
        if facts is None:
            facts = state.facts = RequestFacts()
        values: dict[str, Any] = {}
        if "view_args" in self._names:
            values.update(seen.view_args or {})
        if "user" in self._names:
            _add(values, "user_id", user_id(tracked_namespace(state.g)))
        for name in self._query_names:
            _add(values, f"query.{name}", self._query_value(seen, name))
        if "path" in self._names and seen.url_rule is None:
            values["path"] = seen.path[:_MAX_PATH]
        facts.values = values

    def at_end(self, state: RequestState, more: Mapping[str, Any]) -> dict[str, Any]:
        """Return all facts of a request that has ended, as variables.

        :param more: further fields of the record.
        """
        facts, environ = getattr(state, "facts", None), state.environ
        values = {} if facts is None else dict(facts.values)
        if facts is not None and facts.thread == threading.get_ident():
            values["cpu_ms"] = round(max(time.thread_time() - facts.cpu_started, 0) * 1000, 3)
        if "queue_ms" in self._names:
            _add(values, "queue_ms", _queue_ms(environ.get("HTTP_X_REQUEST_START"), state.time))
        if "request_bytes" in self._names:
            _add(values, "request_bytes", _request_bytes(environ))
        if "response_bytes" in self._names:
            _add(values, "response_bytes", _response_bytes(state, more))
        return values

    def of_job(self) -> dict[str, Any]:
        """Return the facts of a job that ends in this thread."""
        return {"thread": threading.current_thread().name} if "thread" in self._names else {}

    def variables_of(self, route: Route) -> list[str]:
        """Return the names of the variables that requests of a route may have, for display."""
        found = []
        if "view_args" in self._names:
            found += _ARGUMENT.findall(route.rule or "")
        if "user" in self._names:
            found.append("user_id")
        found += [f"query.{name}" for name in self._query_names]
        if "path" in self._names and route.rule is None:
            found.append("path")
        measured = ("cpu_ms", "queue_ms", "request_bytes", "response_bytes")
        return found + [name for name in measured if name in self._names]

    def _query_value(self, seen: Request, name: str) -> str | None:
        value = seen.args.get(name)
        return REDACTED if value is not None and self._is_sensitive(name) else value


def _add(values: dict[str, Any], name: str, value: object) -> None:
    if value is not None:
        values[name] = value


def _queue_ms(header: object, arrived: int) -> float | None:
    """Return the milliseconds between the proxy and the app.

    :param header: the time at which the proxy sent the request, since 1970, in any unit from
        seconds to nanoseconds.
    :param arrived: microseconds since 1970.
    """
    match = None if header is None else _REQUEST_START.fullmatch(str(header))
    if match is None:
        return None
    sent = float(match[1])
    # The size shows the unit: seconds reach the first limit in the year 5138.
    limits = ((1e11, 1e3), (1e14, 1.0), (1e17, 1e-3))
    scale = next((scale for limit, scale in limits if sent < limit), 1e-6)
    queued = arrived / 1000 - sent * scale
    return round(max(queued, 0.0), 3) if -_MAX_AHEAD <= queued <= _MAX_QUEUE else None


def _request_bytes(environ: Mapping[str, Any]) -> int | None:
    length = str(environ.get("CONTENT_LENGTH") or "")
    if not length:
        return None if "HTTP_TRANSFER_ENCODING" in environ else 0
    return int(length) if len(length) <= 18 and length.isascii() and length.isdigit() else None


def _response_bytes(state: RequestState, more: Mapping[str, Any]) -> int | None:
    sent: int | None = more.get("bytes_sent")
    if sent is not None or state.response is None:
        return sent
    if state.environ.get("REQUEST_METHOD") == "HEAD" or state.status in (204, 304):
        return 0
    try:
        return _length_of(state.response)
    except Exception:  # noqa: BLE001 - the app's own classes may raise
        return None


def _length_of(response: Response) -> int | None:
    # Only a list or tuple is measured: to measure another body would consume it.
    if response.is_sequence:
        return response.calculate_content_length()
    return response.content_length
