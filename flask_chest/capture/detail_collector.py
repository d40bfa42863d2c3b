"""Turns errors and measurements into the variables that explain a request or a job."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from .._throttle import LogThrottle
from ..record.free_text_redaction import TextRedaction, without_literals
from ..record.redaction import Redaction
from ..record.text_cleaning import clean_text
from ..record.traceparent import TraceContext
from ..record.truncation import truncate_text
from ..typing import Plain
from .exception_description import ExceptionDescriber
from .measurements import Measurements
from .record_encoder import error_name

_logger = logging.getLogger("flask_chest")

# The same statement so often in one request suggests a query in a loop.
_REPEATED = 10
# UTF-8 bytes of one kept log line.
_LINE_BYTES = 1024


class DetailCollector:
    """Makes the variables that explain the requests and jobs of one app.

    :param errors: ``CHEST_ERRORS``: how much of an exception is kept.
    :param measured: ``CHEST_MEASURE``: what is measured.
    :param log_level: the level from which on a request's log lines are kept; ``None`` keeps none.
    :param redaction: decides which names are sensitive.
    :param max_bytes: UTF-8 bytes of one value.
    :param package: the app's import name.
    :param root: the app's root folder.
    """

    def __init__(
        self,
        *,
        errors: str,
        measured: Collection[str],
        log_level: int | None,
        redaction: Redaction,
        max_bytes: int,
        package: str,
        root: str,
    ) -> None:
        self.errors = errors
        self.measured = frozenset(measured)
        self.log_level = log_level
        #: The names of spans and hosts that the app's requests have used.
        self.measured_names: set[str] = set()
        self._log = LogThrottle(_logger)
        self._max_bytes = max_bytes
        self._redaction = TextRedaction(redaction)
        self._describer = ExceptionDescriber(package, root, self._redaction, max_bytes)

    def explain(
        self,
        measurements: Measurements | None,
        error: BaseException | None,
        trace: TraceContext | None,
    ) -> Mapping[str, Plain]:
        """Return the same as :meth:`variables`; nothing if that fails."""
        try:
            return self.variables(measurements, error, trace)
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            self._log.warning("explain", "Flask-Chest failed to explain a request", exc_info=True)
            return {}

    def variables(
        self,
        measurements: Measurements | None,
        error: BaseException | None,
        trace: TraceContext | None,
    ) -> dict[str, Plain]:
        """Return the variables of one record. They are plain and keep the size limit of values.

        :param error: the exception that ended the request or job, if any.
        :param trace: its place in a trace, if any.
        """
        made = {} if trace is None else _trace_variables(trace)
        if measurements is not None and measurements.errors:
            made["error.handled"] = measurements.errors
            if error is None and measurements.noted is not None:
                made["exception.type"] = error_name(measurements.noted)
                made.update(self._describe(measurements.noted))
        if error is not None and self.errors != "class":
            made.update(self._describe(error))
        if measurements is not None:
            self._add_measured(made, measurements)
        return made

    def clean_line(self, text: str) -> str:
        """Return a log line without secrets, cut to 1 KiB."""
        cleaned = self._redaction.clean(text[: _LINE_BYTES + 1])
        return truncate_text(cleaned, min(_LINE_BYTES, self._max_bytes))[0]

    def _describe(self, error: BaseException) -> dict[str, Plain]:
        described: dict[str, Plain] = {"error.fingerprint": self._describer.fingerprint(error)}
        if self.errors != "class":
            described["exception.message"] = self._describer.message(error)
        if self.errors == "traceback":
            described["exception.stacktrace"] = self._describer.traceback(error)
        return described

    def _add_measured(self, made: dict[str, Plain], measurements: Measurements) -> None:
        measurements.end_spans()
        for name, (count, spent) in list(measurements.tallies.items()):
            is_part = name.startswith(("span.", "http."))
            if not is_part or count > 1:
                made[clean_text(f"{name}.count")] = count
            made[clean_text(f"{name}.ms")] = _milliseconds(spent)
        if measurements.slowest[0] >= 0:
            self._add_statements(made, measurements)
        if measurements.lines:
            made["log.lines"] = self._lines(measurements)
        if measurements.lines_dropped:
            made["log.dropped"] = measurements.lines_dropped

    def _add_statements(self, made: dict[str, Plain], measurements: Measurements) -> None:
        spent, text, dialect = measurements.slowest
        made["db.slowest_ms"] = _milliseconds(spent)
        made["db.query.text"] = self._statement(text, dialect)
        text, count = max(measurements.statements.items(), key=lambda item: item[1])
        if count >= _REPEATED:
            made["db.repeated.count"] = count
            made["db.repeated.text"] = self._statement(text, dialect)

    def _statement(self, text: str, dialect: str) -> str:
        return truncate_text(without_literals(text, dialect), self._max_bytes)[0]

    def _lines(self, measurements: Measurements) -> list[Plain]:
        kept: list[Plain] = []
        left = self._max_bytes
        for line in reversed(measurements.lines):
            left -= len(line.encode())
            if left < 0:
                measurements.lines_dropped += len(measurements.lines) - len(kept)
                break
            kept.insert(0, line)
        return kept


def _trace_variables(trace: TraceContext) -> dict[str, Plain]:
    made: dict[str, Plain] = {"span_id": trace.span_id}
    if trace.parent_id is not None:
        made["parent_id"] = trace.parent_id
    if trace.state:
        made["tracestate"] = trace.state
    return made


def _milliseconds(nanoseconds: int) -> float:
    return round(nanoseconds / 1_000_000, 3)
