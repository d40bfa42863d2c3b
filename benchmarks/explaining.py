"""Cost of explaining requests: spans, SQL statements, errors; beside sentry-sdk and OpenTelemetry.

Everything runs in one process and in short turns, and CPU time counts, since machines are noisy.
The rivals run without an exporter: what is left of them is the cost of measuring. Run it with
``python -m benchmarks.explaining``.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from time import thread_time_ns
from typing import Any

from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import StaticPool

from flask_chest import FlaskChest

from .installed import installed
from .promises import Promise, report_promises

ROUNDS, CALLS = 60, 200
#: Promised maximum, in microseconds.
STATEMENT, SPAN = 3.0, 2.0
VARIANTS = ("bare", "flask-chest", "sentry-sdk", "opentelemetry")
_NEEDS = {
    "sentry-sdk": ["sentry_sdk"],
    "opentelemetry": ["opentelemetry.sdk", "opentelemetry.instrumentation.sqlalchemy"],
}


def main() -> None:
    """Measure each variant in a process of its own, and print the differences."""
    costs: dict[str, dict[str, float]] = {}
    for name in VARIANTS:
        if name in _NEEDS and not installed(_NEEDS[name]):
            print(f"left out: {name}: not installed")
            continue
        command = [sys.executable, "-m", "benchmarks.explaining", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        words = done.stdout.split()
        costs[name] = dict(zip(words[::2], map(float, words[1::2]), strict=True))
    bare = costs["bare"]
    for what in bare:
        print(f"{what:10} bare {bare[what]:7.2f} us", end="")
        for name in VARIANTS[1:]:
            if name in costs:
                print(f"   {name} +{costs[name][what] - bare[what]:6.2f}", end="")
        print()
    ours = costs["flask-chest"]
    report_promises(
        [
            Promise("us for a statement", ours["statement"] - bare["statement"], STATEMENT),
            Promise("us for a span", ours["span"] - bare["span"], SPAN),
        ]
    )


def measure(name: str) -> None:
    """Print what a span, a statement and a failed request cost with one variant."""
    app, engine = Flask("shop"), _engine()
    span = _SETUPS[name](app, engine)
    results: dict[str, list[float]] = {"span": [], "statement": [], "error": []}

    def turns() -> str:
        with engine.connect() as connection:
            statement = text("select 1")
            connection.execute(statement)
            results["span"].append(_time(lambda: _enter(span)))
            results["statement"].append(_time(lambda: connection.execute(statement)))
        return "ok"

    def fails() -> str:
        raise ValueError("no")

    app.add_url_rule("/", "turns", turns)
    app.add_url_rule("/fails", "fails", fails)
    app.logger.disabled = True
    client = app.test_client()
    for _ in range(ROUNDS):
        assert client.get("/").status_code == 200
        results["error"].append(_time(lambda: client.get("/fails"), CALLS // 10))
    print(" ".join(f"{what} {median(values)}" for what, values in results.items()))


def _enter(span: Callable[[], Any]) -> None:
    with span():
        pass


def _time(call: Callable[[], Any], calls: int = CALLS) -> float:
    gc.disable()
    began = thread_time_ns()
    for _ in range(calls):
        call()
    spent = thread_time_ns() - began
    gc.enable()
    return spent / calls / 1000


def _engine() -> Engine:
    options = {"check_same_thread": False}
    return create_engine("sqlite://", poolclass=StaticPool, connect_args=options)


class _Nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def _bare(app: Flask, engine: Engine) -> Callable[[], Any]:
    nothing = _Nothing()
    return lambda: nothing


def _chest(app: Flask, engine: Engine) -> Callable[[], Any]:
    app.config.update(
        CHEST_CHESTS=["memory://"],
        CHEST_BUFFER="memory",
        CHEST_MEASURE=["sqlalchemy"],
        CHEST_ERRORS="traceback",
    )
    chest = FlaskChest(app)
    return lambda: chest.span("part")


def _sentry(app: Flask, engine: Engine) -> Callable[[], Any]:
    import sentry_sdk
    from sentry_sdk.integrations.flask import FlaskIntegration
    from sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        traces_sample_rate=1.0,
        integrations=[FlaskIntegration(), SqlalchemyIntegration()],
        transport=lambda _: None,
    )
    return lambda: sentry_sdk.start_span(name="part")


def _opentelemetry(app: Flask, engine: Engine) -> Callable[[], Any]:
    from opentelemetry import trace
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Nowhere()))
    trace.set_tracer_provider(provider)
    FlaskInstrumentor().instrument_app(app)
    SQLAlchemyInstrumentor().instrument(engine=engine, skip_dep_check=True)
    tracer = trace.get_tracer("shop")
    return lambda: tracer.start_as_current_span("part")


_SETUPS = {
    "bare": _bare,
    "flask-chest": _chest,
    "sentry-sdk": _sentry,
    "opentelemetry": _opentelemetry,
}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        main()
