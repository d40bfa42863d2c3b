"""Builds the record of a request, and passes the encoded line on to delivery."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask, g, has_app_context, request

from .._throttle import LogThrottle
from ..config.plan_cache import PlanCache
from ..record.request_and_record_ids import normalize_request_id
from ..record.traceparent import TraceContext
from ..signals import record_captured
from ..typing import Plain, RequestIdGenerator
from .detail_collector import DetailCollector
from .encoding_cache import EncodingCache
from .fact_collector import FactCollector
from .flask_g import RecordedGlobals, tracked_namespace
from .record_encoder import RARE_FIELDS, RecordEncoder
from .record_sink import RecordSink
from .request_state import BY_VIEW, ENVIRON_KEY, NO_FIELDS, RequestState, current_request
from .routes import match_route, route_of, unrouted
from .sampling import Sampler
from .tracing import known_trace
from .tracked_variables import NO_FACTS

_logger = logging.getLogger("flask_chest")


class Recorder:
    """Makes the records of one app's requests.

    :param app: the app.
    :param plans: what each route records.
    :param encoder: encodes the records.
    :param sink: takes the encoded records.
    :param tags: the constant tags of the app's config; no other tags replace them.
    :param default_tags: further constant tags.
    :param facts: collects further facts; ``None`` if none is switched on.
    :param details: explains errors and measurements.
    :param slow_ms: milliseconds; a slower request is always kept. ``None``: no request is slow.
    :param request_id_header: the header that a request id is read from and sent back in.
    :param request_id_generator: makes request ids; ``None`` uses the record's id.
    """

    def __init__(
        self,
        app: Flask,
        *,
        plans: PlanCache[EncodingCache],
        encoder: RecordEncoder,
        sink: RecordSink,
        tags: Mapping[str, Any],
        default_tags: Mapping[str, Any],
        facts: FactCollector | None,
        details: DetailCollector,
        slow_ms: float | None,
        request_id_header: str,
        request_id_generator: RequestIdGenerator | None,
    ) -> None:
        self.app = app
        self.plans = plans
        self.encoder = encoder
        self.sink = sink
        self.facts = facts
        self.details = details
        self.request_id_header = request_id_header
        self.request_id_header_lower = request_id_header.lower()
        self.request_id_environ_key = f"HTTP_{request_id_header.upper().replace('-', '_')}"
        self.request_id_generator = request_id_generator
        self.recorded_globals = RecordedGlobals()
        self._app_tags = dict(tags)
        self.tags = {**default_tags, **tags}
        self._sampler = Sampler(slow_ms)
        self._log = LogThrottle(_logger)

    def log_failure(self, action: str) -> None:
        """Log the exception that is being handled, at most once a minute for each action.

        :param action: what Flask-Chest failed to do, as an infinitive.
        """
        self._log.warning(action, "Flask-Chest failed to %s", action, exc_info=True)

    def generate_request_id(self, state: Any, generator: RequestIdGenerator) -> None:
        """Set the request id with a generator of the app. If it raises, the id stays as it is."""
        try:
            made = state.request_id = normalize_request_id(generator())
            # An accepted id and the record's own id fit into a header. This one may not.
            state.echo_request_id = made != "" and made.isascii() and made.isprintable()
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            self.log_failure("call the request id generator")

    def request_id_before_view(self, state: RequestState) -> str:
        """Return the final request id, for code that runs before the view does."""
        try:
            plan = self._current_route().plan
            if plan.request_id_generator is not None:
                self._generate_once(state, plan.request_id_generator)
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            self.log_failure("find the request id before the view")
        return state.request_id

    def add_tags(self, tags: Mapping[str, Any]) -> None:
        """Put further constant tags on all later records; the tags of the app's config win."""
        self.tags = {**self.tags, **tags, **self._app_tags}
        self.plans.invalidate()  # their encoded suffixes contain the old tags

    def skip_unless_named(self, name: str) -> None:
        """Record a variable only where a rule, the config or a decorator names it."""
        self.encoder.variables.implied.add(name)

    def current_variables(self) -> dict[str, Plain]:
        """Return the tracked variables of the current request as they are now.

        The dict is empty if the request leaves no record.
        """
        namespace = g._get_current_object()
        state = current_request.get()
        known = state.encoding if state is not None and state.g is namespace else None
        encoding = known or self._current_route()
        if not encoding.plan.record:
            return {}
        return self.encoder.variables.collect(tracked_namespace(namespace), encoding)

    def snapshot_request(self, state: RequestState) -> None:
        """Save what can be reached only while Flask's contexts exist."""
        try:
            # The object, not the proxy: a streamed body and teardown functions may put values on
            # g later, and they belong to the record too.
            namespace = g._get_current_object()
            if state.g is not namespace:
                if state.g is not None:
                    # Another middleware called the app again.
                    state.error = state.encoding = None
                state.g = namespace
            seen = request._get_current_object()  # type: ignore[attr-defined]
            rule = seen.url_rule
            # The interpreter makes a tuple faster than a Route, and both are equal as keys.
            route = None if rule is None else (rule.rule, rule.endpoint, seen.method)
            encoding = state.encoding
            # Otherwise a decorator or an earlier signal has found it.
            if encoding is None or encoding.plan.route.rule != (rule and rule.rule):
                encoding = self.plans.known.get(route) or self.plans.get(route_of(seen))
                state.encoding = encoding
            if encoding.plan.request_id_generator is not None:
                self._generate_once(state, encoding.plan.request_id_generator)
            if self.facts is not None and encoding.plan.record:
                self.facts.read(state, seen)
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            self.log_failure("read a request")

    def finish(self, state: RequestState, more: Mapping[str, Any] = NO_FIELDS) -> None:
        """Make the record of a request that reached the app, and hand it over.

        :param more: further fields of the record.
        :raises flask_chest.errors.ChestError: records are written before the response, and a chest
            did not accept this one.
        """
        if state.recorded or (state.g is None and state.error is None):
            if state.recorded == BY_VIEW:
                state.recorded = True
                self._remember_globals(state)
            return
        state.recorded = True
        if state.g is None:
            state.g = state.g_at_teardown
        try:
            encoding = state.encoding or self._route_without_signal(state)
            if has_app_context() or "werkzeug.debug.preserve_context" in state.environ:
                self._remember_globals(state)
            args = encoding.fast_path_args
            line = None if args is None or more else state.fast_line(*args)
            if line is None:
                line = self._encode(state, encoding, more)
            elif record_captured.receivers:
                self.sink.announce(line)
        except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
            self.log_failure("make a record")
            return
        if line is None:
            return
        try:
            self.sink.hand_over(line, encoding.plan.mask)
        except Exception:
            if self.sink.raises:
                raise
            self.log_failure("hand over a record")

    def encode_view(
        self,
        state: RequestState,
        encoding: EncodingCache,
        namespace: Any,
        status: int | None,
        error: BaseException | None,
    ) -> bytes | None:
        """Return the record of a view that has just ended; ``None`` if it leaves no record.

        :param namespace: the ``g`` of the request.
        :param status: the status that the view asked for.
        """
        state.g, state.status, state.error = namespace, status, error
        if encoding.plan.request_id_generator is not None:
            self._generate_once(state, encoding.plan.request_id_generator)
        self.recorded_globals.add(namespace)
        if self.facts is not None and encoding.plan.record:
            self.facts.read(state, request._get_current_object())  # type: ignore[attr-defined]
        return self._encode(state, encoding, NO_FIELDS)

    def hand_over(self, line: bytes, mask: int) -> None:
        """Announce an encoded record and pass it on.

        :param mask: a bit for each chest that gets the record.
        """
        self.sink.announce(line)
        self.sink.hand_over(line, mask)

    def _remember_globals(self, state: RequestState) -> None:
        own = "werkzeug.debug.preserve_context" in state.environ or ENVIRON_KEY in state.environ
        shared = not own and has_app_context() and g._get_current_object() is state.g
        self.recorded_globals.add(state.g, shared=shared)

    def _encode(
        self, state: RequestState, encoding: EncodingCache, more: Mapping[str, Any]
    ) -> bytes | None:
        plan = encoding.plan
        if not plan.record:
            return None
        duration = state.duration_ms()
        if state.error is not None:
            state.resolve_error()
        error, status, rate = state.error, state.status, plan.sample
        measurements = state.measurements
        if rate < 1:
            noted = None if measurements is None else measurements.noted
            sampled = self._sampler.sample(rate, duration, status, error or noted)
            if sampled is None:
                return None
            rate = sampled
        fields = state.varying_fields(duration)
        suffix = encoding.static_suffix or self._encode_suffixes(encoding)
        trace: TraceContext | None = None
        traced = "HTTP_TRACEPARENT" in state.environ or measurements is not None
        if error is not None or rate < 1 or more or traced:
            del fields["status"]  # it is the last of the varying fields here too
            trace = known_trace(state) if traced else None
            fields = {**fields, **state.rare_fields(rate, trace), **more, "status": status}
            suffix = encoding.static_suffix_rare
        facts = NO_FACTS if self.facts is None else self.facts.at_end(state, more)
        details = NO_FACTS
        if traced or error is not None:
            details = self.details.explain(measurements, error, trace)
        values = tracked_namespace(state.g)
        line = self.encoder.encode(fields, values, encoding, suffix, facts, details)
        self.sink.announce(line)
        return line

    def _encode_suffixes(self, encoding: EncodingCache) -> bytes:
        plan = encoding.plan
        shared = {
            "kind": "request",
            "method": plan.route.method,
            "route": plan.route.rule,
            "endpoint": plan.route.endpoint,
            "blueprint": plan.blueprint,
            "tags": self.tags,
        }
        encoding.static_suffix_rare = self.encoder.encode_suffix(shared)
        encoding.static_suffix = self.encoder.encode_suffix({**RARE_FIELDS, **shared})
        if self.facts is None:
            encoding.fast_path_args = self.encoder.fast_path_args(encoding)
        return encoding.static_suffix

    def _generate_once(self, state: RequestState, generator: RequestIdGenerator) -> None:
        # An exception and the response to it each take a snapshot of the same request.
        if not state.id_generated:
            state.id_generated = True
            self.generate_request_id(state, generator)

    def _current_route(self) -> EncodingCache:
        return self.plans.get(route_of(request._get_current_object()))  # type: ignore[attr-defined]

    def _route_without_signal(self, state: RequestState) -> EncodingCache:
        """Return what applies to a request that ended, e.g., with ``SystemExit``."""
        if state.g is None and not isinstance(state.error, Exception) and has_app_context():
            state.g = g._get_current_object()  # a job has made the request, and shares its g
        if state.g is not None or has_app_context():
            try:
                return self.plans.get(match_route(self.app, state.environ))
            except Exception:  # noqa: BLE001 - a request never fails because of Flask-Chest
                self.log_failure("find the route of a request that has ended")
                state.g = None  # the rules of the route might forbid its variables
        return self.plans.get(unrouted(state.environ.get("REQUEST_METHOD", "")))
