"""Records application contexts outside of requests: CLI commands and background jobs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..config.plan_cache import PlanCache
from ..config.rule_matching import Route
from ..record.request_and_record_ids import record_ids
from ..typing import Plain
from .command_name import command_duration_ms, command_name, ended_well, exit_code
from .detail_collector import DetailCollector
from .encoding_cache import EncodingCache
from .fact_collector import FactCollector
from .flask_g import RecordedGlobals
from .job_state import JobState
from .record_encoder import DEFAULT_FIELDS, RecordEncoder, error_name
from .tracked_variables import NO_FACTS


class BackgroundContexts:
    """Makes the records of one app's commands and jobs.

    :param plans: what each command records.
    :param encoder: encodes the records.
    :param facts: collects further facts; ``None`` if none is switched on.
    :param details: explains errors and measurements.
    :param recorded_globals: the ``g`` objects that belong to requests.
    """

    def __init__(
        self,
        plans: PlanCache[EncodingCache],
        encoder: RecordEncoder,
        facts: FactCollector | None,
        details: DetailCollector,
        recorded_globals: RecordedGlobals,
    ) -> None:
        self._plans = plans
        self._encoder = encoder
        self._facts = facts
        self._details = details
        self._recorded_globals = recorded_globals

    def encode(
        self, namespace: Any, error: BaseException | None, tags: Mapping[str, Any]
    ) -> tuple[bytes, int] | None:
        """Return the record of a context that ends, and the mask of its chests, if any.

        :param namespace: the ``g`` of the context.
        :param error: the exception that ended the context, if any.
        :param tags: the constant tags of the app.
        """
        values = self._recorded_globals.unrecorded(namespace)
        if not values:
            return None
        command = command_name()
        encoding = self._plans.get(Route(None, command, ""))
        if not encoding.plan.record or not self._encoder.variables.collect(values, encoding):
            return None
        now = int(time.time_ns()) // 1000  # a test library may freeze it to a float
        identity = record_ids.make(now)
        fields = {
            **DEFAULT_FIELDS,
            "id": identity,
            "time": now,
            "kind": "job" if command is None else "command",
            "request_id": identity,
            "endpoint": command,
            "error": None if error is None or ended_well(error) else error_name(error),
            "tags": tags,
        }
        facts = NO_FACTS if self._facts is None or command is not None else self._facts.of_job()
        details: Mapping[str, Plain] = NO_FACTS
        if fields["error"] is not None:
            details = self._details.explain(None, error, None)
        if command is not None:
            fields["duration_ms"] = command_duration_ms()
            details = {**details, "process.exit.code": exit_code(error)}
        line = self._encoder.encode(fields, values, encoding, facts=facts, details=details)
        return line, encoding.plan.mask

    def encode_job(
        self, job: JobState, error: BaseException | None, tags: Mapping[str, Any]
    ) -> tuple[bytes, int] | None:
        """Return the record of a job that a library of :mod:`flask_chest.jobs` has run.

        :param error: the exception that ended the job, if any.
        :param tags: the constant tags of the app.
        """
        encoding = self._plans.get(Route(None, job.name, ""))
        if not encoding.plan.record:
            return None
        fields = {
            **DEFAULT_FIELDS,
            "id": job.id,
            "time": job.time,
            "kind": "job",
            "request_id": job.request_id,
            "trace_id": job.trace_id,
            "endpoint": job.name,
            "duration_ms": job.duration_ms() if job.has_run else None,
            "error": None if error is None else error_name(error),
            "tags": tags,
        }
        facts = NO_FACTS if self._facts is None else self._facts.of_job()
        explained = self._details.explain(job.measurements, error, job.trace)
        details = {**job.variables, **explained}
        line = self._encoder.encode(fields, job.values, encoding, facts=facts, details=details)
        return line, encoding.plan.mask
