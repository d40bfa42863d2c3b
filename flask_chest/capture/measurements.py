"""The measurements of a request or job: spans, calls, log lines, noted errors."""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns
from typing import Protocol

from ..record.traceparent import TraceContext

# Log lines of one request; older ones go first.
_MAX_LINES = 50
# Distinct statements of one request that are counted.
_MAX_STATEMENTS = 200
# Characters of a statement that are kept.
_MAX_STATEMENT = 16_384
# Names of spans and hosts in one process. Further ones are added up as "other".
_MAX_NAMES = 200
#: The name under which measurements with too many names are added up.
OTHER = "other"


class MeasuredApp(Protocol):
    """What measuring needs to know of an app."""

    #: What ``CHEST_MEASURE`` names.
    measured: frozenset[str]
    #: The level from which on log lines are kept; ``None`` keeps none.
    log_level: int | None
    #: The names of spans and hosts that the app's requests have used.
    measured_names: set[str]


class Measurements:
    """The measurements of one request or job. Other threads of it may add to it.

    :param app: the app that the request or job belongs to.
    """

    __slots__ = (
        "app",
        "errors",
        "lines",
        "lines_dropped",
        "noted",
        "open_spans",
        "open_templates",
        "slowest",
        "statements",
        "tallies",
        "trace",
    )

    def __init__(self, app: MeasuredApp) -> None:
        self.app = app
        #: Count and nanoseconds by name, e.g. ``db``, ``http.api.example`` or ``span.pay``.
        self.tallies: dict[str, list[int]] = {}
        #: Name and start of each span that has not ended, by the span's number.
        self.open_spans: dict[object, tuple[str, int]] = {}
        #: Templates that are being rendered, with their starts.
        self.open_templates: list[tuple[object, int]] = []
        #: Nanoseconds, text and dialect of the slowest SQL statement.
        self.slowest: tuple[int, str, str] = (-1, "", "")
        self.statements: dict[str, int] = {}
        self.lines: deque[str] = deque(maxlen=_MAX_LINES)
        self.lines_dropped = 0
        #: The first error that the app noted itself, and the number of all.
        self.noted: BaseException | None = None
        self.errors = 0
        #: The trace, if the request or job has passed it on, or OpenTelemetry has one.
        self.trace: TraceContext | None = None

    def add(self, name: str, nanoseconds: int, count: int = 1) -> None:
        """Add a call to the tally of a name."""
        tally = self.tallies.get(name)
        if tally is None:
            self.tallies[name] = [count, nanoseconds]
        else:
            tally[0] += count
            tally[1] += nanoseconds

    def add_named(self, kind: str, name: str, nanoseconds: int, count: int = 1) -> None:
        """Add a call whose name the app or its users have chosen, such as a span's or a host's."""
        self.add(self.limited(kind, name), nanoseconds, count)

    def limited(self, kind: str, name: str) -> str:
        """Return the name of a tally; too many different names become one."""
        full = f"{kind}.{name}"
        known = self.app.measured_names
        if full not in known:
            if len(known) >= _MAX_NAMES:
                return f"{kind}.{OTHER}"
            known.add(full)
        return full

    def add_statement(self, text: str, dialect: str, nanoseconds: int) -> None:
        """Add a SQL statement, which contains no parameters."""
        self.add("db", nanoseconds)
        if len(text) > _MAX_STATEMENT:
            text = text[:_MAX_STATEMENT]  # an app may write values into it, megabytes of them
        statements = self.statements
        if text in statements:
            statements[text] += 1
        elif len(statements) < _MAX_STATEMENTS:
            statements[text] = 1
        if nanoseconds > self.slowest[0]:
            self.slowest = (nanoseconds, text, dialect)

    def note(self, error: BaseException) -> None:
        """Add an error that the app has handled."""
        self.errors += 1
        if self.noted is None:
            self.noted = error

    def add_line(self, line: str) -> None:
        """Add a log line; the oldest goes if there are too many."""
        if len(self.lines) == _MAX_LINES:
            self.lines_dropped += 1
        self.lines.append(line)

    def end_spans(self) -> None:
        """Count the spans that are still open up to now."""
        now = perf_counter_ns()
        while self.open_spans:
            name, started = self.open_spans.popitem()[1]
            self.add(name, now - started)
