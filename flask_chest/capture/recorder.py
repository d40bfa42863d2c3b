"""What is heard of a request, and what is made of it at its end.

A :class:`RequestState` goes with each request. The middleware makes it and finishes it; Flask's
signals put into it what only they know: ``g``, the response, the exception.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, g, has_app_context, request
from flask.signals import got_request_exception, request_finished

from .._throttle import LogThrottle
from ..config.plan import Plan
from ..config.plan_cache import PlanCache
from ..record.encoding import decode
from ..record.ids import made_request_id, trace_id
from ..signals import announce, record_captured
from ..typing import Plain, RequestIdGenerator
from .background import BackgroundContexts
from .encoder import SELDOM, RecordEncoder, error_name
from .fallback import SignalFallback
from .request_state import RequestState, current_request, values_on
from .routes import route_of, unrouted

if TYPE_CHECKING:
    from flask.wrappers import Response

    from .request_state import RequestStart

_logger = logging.getLogger("flask_chest")

# Not the app's own, which it may have seeded, and one that differs between forked workers.
_random = random.SystemRandom()

NOTHING_MORE: Mapping[str, Any] = {}


class Recorder:
    """Listens to one app and makes records of its requests, commands and jobs.

    :param app: the app.
    :param held: what the floors above keep for this app; only handed on.
    :param plans: what each route records.
    :param capture: makes records.
    :param keep: takes each encoded record and the mask of its chests.
    :param tags: constant tags.
    :param slow_ms: milliseconds from which on a request is always kept; ``None`` for never.
    :param request_id_header: where a request id is taken from, and echoed.
    :param request_id_generator: makes request ids; ``None`` takes the record's id.
    """

    def __init__(
        self,
        app: Flask,
        *,
        held: Any,
        plans: PlanCache,
        capture: RecordEncoder,
        keep: Callable[[bytes, int], None],
        tags: Mapping[str, Any],
        slow_ms: float | None,
        request_id_header: str,
        request_id_generator: RequestIdGenerator | None,
    ) -> None:
        self.app = app
        self.held = held
        self.plans = plans
        self.request_id_header = request_id_header
        self.request_id_lower = request_id_header.lower()
        self.request_id_key = f"HTTP_{request_id_header.upper().replace('-', '_')}"
        self._capture = capture
        #: Replaced when delivery is.
        self.keep = keep
        self._tags = dict(tags)
        self._slow_ms = float("inf") if slow_ms is None else slow_ms
        self.request_id_generator = request_id_generator
        self._log = LogThrottle(_logger)
        self._jobs = BackgroundContexts(plans, capture)
        self._side_door = SignalFallback(self)

    def listen(self) -> None:
        """Connect to the app's signals, and to the end of its contexts."""

        # Functions: to call a method, blinker makes it anew and looks through it with each signal.
        def on_finished(sender: Flask, response: Response, **_: Any) -> None:
            state = current_request.get()
            if state is not None and state.recorder is self:
                state.response = response
                self.look_around(state)
            else:
                self._side_door.answered(response)

        def on_exception(sender: Flask, exception: BaseException, **_: Any) -> None:
            state = current_request.get()
            if state is not None and state.recorder is self:
                state.error = exception
                self.look_around(state)
            else:
                self._side_door.failed(exception)

        def on_context_end(exc: BaseException | None) -> None:
            state = current_request.get()
            if state is None or state.recorder is not self:
                self._end_job(exc)
            elif exc is not None and state.response is None:
                self._end_request(state)

        self._receivers = (on_finished, on_exception)  # signals hold them weakly
        request_finished.connect(on_finished, self.app)
        got_request_exception.connect(on_exception, self.app)
        # Every request ends a context, and the signal of that takes it three times as long as a
        # call by Flask itself. The first is called last: all others may put things on g.
        self.app.teardown_appcontext_funcs.insert(0, on_context_end)

    def trouble(self, what: str) -> None:
        """Log an exception of ours; called where it is handled."""
        self._log.warning(what, "Flask-Chest failed to %s", what, exc_info=True)

    def make_id(self, state: RequestStart, generator: RequestIdGenerator) -> None:
        """Have a generator of the app's make the request id; its failure leaves ours."""
        try:
            made = state.request_id = made_request_id(generator())
            # What a caller sent, and ours, can stand in a header; this may be anything.
            state.echoed = made != "" and made.isascii() and made.isprintable()
        except Exception:  # noqa: BLE001 - a request never fails because of us
            self.trouble("call the request id generator")

    def _ask_for_id(self, state: RequestState, plan: Plan) -> None:
        # An exception and the response to it are both heard of; the generator is called once.
        if not state.named:
            state.named = True
            self.make_id(state, plan.request_id_generator)

    def id_before_view(self, state: RequestState) -> str:
        """The request id, for who needs it before the view is called; it does not change later."""
        try:
            plan = self._plan_now()
            if plan.request_id_generator is not None:
                self._ask_for_id(state, plan)
        except Exception:  # noqa: BLE001 - a request never fails because of us
            self.trouble("look at a request that begins")
        return state.request_id

    def tag(self, tags: Mapping[str, Any]) -> None:
        """Put further constant tags on every record from now on; those of the app's own win."""
        self._tags = {**self._tags, **tags, **self.held.settings.tags}
        self.plans.forget()  # they have the old ones, encoded

    def tracked_now(self) -> dict[str, Plain]:
        """The tracked variables of the request being served, as they are now.

        None of them where no record is left.
        """
        plan = self._plan_now()
        if not plan.record:
            return {}
        return self._capture.collect(values_on(g._get_current_object()), plan)

    def finish(self, state: RequestState, more: Mapping[str, Any] = NOTHING_MORE) -> None:
        """Make and keep the record of a request that reached the app.

        :param more: further fields of the record.
        :raises flask_chest.errors.ChestError: records are written before the response, and a chest
            did not accept this one.
        """
        if state.settled or (state.values is None and state.error is None):
            return
        state.settled = True
        if state.values is None:
            state.values = state.values_at_end
        try:
            plan = state.plan or self._plan_without_route(state)
            if has_app_context() or "werkzeug.debug.preserve_context" in state.environ:
                self._jobs.pass_over(state.values)
            line = None if plan.short_cut is None or more else state.line(*plan.short_cut)
            if line is None:
                line = self._encode(state, plan, more)
            elif record_captured.receivers:
                self._announce(line)
        except Exception:  # noqa: BLE001 - a request never fails because of us
            self.trouble("make a record")
            return
        if line is not None:
            self.keep(line, plan.mask)

    def encode_view(
        self,
        state: RequestState,
        plan: Plan,
        holder: Any,
        status: int | None,
        error: BaseException | None,
    ) -> bytes | None:
        """The record of a view that has just ended; ``None`` where none is to be kept.

        :param holder: ``g``.
        :param status: the status that the view asked for.
        """
        state.values, state.status, state.error = holder, status, error
        if plan.request_id_generator is not None:
            self._ask_for_id(state, plan)
        self._jobs.pass_over(holder)
        return self._encode(state, plan, NOTHING_MORE)

    def _encode(self, state: RequestState, plan: Plan, more: Mapping[str, Any]) -> bytes | None:
        if not plan.record:
            return None
        duration = state.duration()
        if state.error is not None:
            state.judge_error()
        error, status, rate = state.error, state.status, plan.sample
        if rate < 1:
            if error is not None or duration >= self._slow_ms or (status or 0) >= 500:
                rate = 1.0
            elif _random.random() >= rate:
                return None
        facts = state.facts(duration)
        rest = plan.rest or self._encode_rest(plan)
        if error is not None or rate < 1 or more or "HTTP_TRACEPARENT" in state.environ:
            del facts["status"]  # it comes last, also then
            facts = {**facts, **_seldom(state, rate), **more, "status": status}
            rest = plan.rest_of_seldom
        line = self._capture.encode(facts, values_on(state.values), plan, rest)
        if record_captured.receivers:
            self._announce(line)
        return line

    def _encode_rest(self, plan: Plan) -> bytes:
        shared = {
            "kind": "request",
            "method": plan.route.method,
            "route": plan.route.rule,
            "endpoint": plan.route.endpoint,
            "blueprint": plan.blueprint,
            "tags": self._tags,
        }
        plan.rest_of_seldom = self._capture.encode_rest(shared)
        plan.rest = self._capture.encode_rest({**SELDOM, **shared})
        plan.short_cut = self._capture.short_cut(plan)
        return plan.rest

    def _announce(self, line: bytes) -> None:
        announce(record_captured, self.app, record=decode(line))

    def look_around(self, state: RequestState) -> None:
        """Take what can be reached only while Flask's contexts are there."""
        try:
            # The object, not the proxy: what is put on g later, while a body is streamed or by
            # teardown functions, belongs to the record too.
            state.values = g._get_current_object()
            seen = request._get_current_object()  # type: ignore[attr-defined]
            rule = seen.url_rule
            # A tuple is made by the interpreter itself, and equals the Route that it stands for.
            route = None if rule is None else (rule.rule, rule.endpoint, seen.method)
            plan = state.plan = self.plans.known.get(route) or self.plans.get(route_of(seen))
            if plan.request_id_generator is not None:
                self._ask_for_id(state, plan)
        except Exception:  # noqa: BLE001 - a request never fails because of us
            self.trouble("look at a request")

    def _plan_now(self) -> Plan:
        return self.plans.get(route_of(request._get_current_object()))  # type: ignore[attr-defined]

    def _plan_without_route(self, state: RequestState) -> Plan:
        return self.plans.get(unrouted(state.environ.get("REQUEST_METHOD", "")))

    def _end_request(self, state: RequestState) -> None:
        try:
            # SystemExit and its like, of which no other signal tells. Contexts within the
            # request may end with it as well; its own is the last one.
            state.values_at_end = g._get_current_object()
        except Exception:  # noqa: BLE001 - a request never fails because of us
            self.trouble("look at a request that ends")

    def _end_job(self, error: BaseException | None) -> None:
        try:
            made = self._jobs.encode(g._get_current_object(), error, self._tags)
            if made is not None:
                self._announce(made[0])
                self.keep(*made)
        except Exception:  # noqa: BLE001 - a command never fails because of us
            self.trouble("record a command or a job")


def _seldom(state: RequestState, rate: float) -> dict[str, Any]:
    parent, error = state.environ.get("HTTP_TRACEPARENT"), state.error
    return {
        **SELDOM,
        "trace_id": None if parent is None else trace_id(parent),
        "error": None if error is None else error_name(error),
        "sample_rate": rate,
    }
