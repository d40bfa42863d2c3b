"""Flask-Chest with OpenTelemetry: the span and the record share one trace id.

Needs ``pip install opentelemetry-instrumentation-flask opentelemetry-sdk``.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, g
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flask_chest import FlaskChest
from flask_chest.testing import capture_records

#: The header of a caller that started the trace: a proxy, a browser, another service.
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def create_app(exporter: SpanExporter, **config: Any) -> Flask:
    """Create an app that both observe.

    :param exporter: receives the spans; in production, the exporter to a collector.
    """
    app = Flask(__name__)
    app.config.from_mapping(config)
    FlaskChest(app)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)

    @app.get("/orders/<int:order_id>")
    def show(order_id: int) -> str:
        g.order_id = order_id
        return "an order"

    return app


def main() -> None:
    exporter = InMemorySpanExporter()
    # In memory, so that the example leaves no files.
    app = create_app(exporter, CHEST_CHESTS=["memory://"], CHEST_BUFFER="memory")
    with capture_records(app) as records:
        app.test_client().get("/orders/7", headers={"traceparent": TRACEPARENT})
        app.test_client().get("/orders/8")
    app.extensions["chest"].close()
    for record, span in zip(records, exporter.get_finished_spans(), strict=True):
        print(f"span {span.context.trace_id:032x}  record {record.trace_id}  {dict(record.vars)}")


if __name__ == "__main__":
    main()
