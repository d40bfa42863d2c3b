"""One app in many variants: bare, with a minimal receiver, with Flask-Chest, with each alternative.

Its only view puts five variables on ``g``. A variant imports its packages when it is made, so that
an environment only needs the packages that it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flask import Flask, g
from werkzeug.test import EnvironBuilder

#: An export interval that never ends, so that only the cost of the request itself is measured.
PARKED = {"CHEST_EXPORT_INTERVAL": 86400, "CHEST_BATCH_SIZE": 1_000_000}

ENVIRON: Mapping[str, Any] = EnvironBuilder(
    "/orders/7?full=1",
    headers=[
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("Accept-Language", "en-GB,en;q=0.5"),
        ("Accept-Encoding", "gzip, deflate"),
    ],
).get_environ()


def bare(folder: Path) -> Flask:
    """The bare app."""
    app = Flask("benchmarks.apps", instance_path=str(folder))

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        g.user_id = 42
        g.tenant = "acme"
        g.total = 99.5
        g.cached = True
        g.items = 3
        return "an order"

    return app


def put_on_g(app: Flask, count: int) -> None:
    """Set how many variables the view puts on ``g``."""
    names = [f"variable_{number}" for number in range(count)]

    def order(number: int) -> str:
        for name in names:
            setattr(g, name, number)
        return "an order"

    app.view_functions["order"] = order


def least(folder: Path) -> Flask:
    """The minimal receiver, which reads ``g.__dict__``."""

    def copy(sender: Flask, **_: Any) -> None:
        dict(vars(g))

    return _listening(bare(folder), copy)


def floor(folder: Path) -> Flask:
    """The minimal receiver, which reads ``g`` by its documented interface: names and ``get()``."""

    def copy(sender: Flask, **_: Any) -> None:
        {name: g.get(name) for name in g}

    return _listening(bare(folder), copy)


def by_hand(folder: Path) -> Flask:
    """The least that writes a record: a timer, orjson and one write, without limits and ids."""
    import os
    import time

    import orjson
    from flask import request, request_finished, request_started

    app = bare(folder)
    file = os.open(folder / "records", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def begin(sender: Flask, **_: Any) -> None:
        request.environ["began"] = time.perf_counter()

    def finish(sender: Flask, response: Any, **_: Any) -> None:
        record = {
            "time": time.time(),
            "method": request.method,
            "route": request.url_rule.rule if request.url_rule else None,
            "endpoint": request.endpoint,
            "status": response.status_code,
            "duration": time.perf_counter() - request.environ["began"],
            "vars": vars(g),
        }
        os.write(file, orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    request_started.connect(begin, app, weak=False)
    request_finished.connect(finish, app, weak=False)
    return app


def silent(folder: Path) -> Flask:
    """Two receivers that do nothing."""

    def nothing(sender: Flask, **_: Any) -> None:
        pass

    return _listening(bare(folder), nothing)


def _listening(app: Flask, receiver: Callable[..., None]) -> Flask:
    from flask import request_finished, request_tearing_down

    request_finished.connect(receiver, app, weak=False)
    request_tearing_down.connect(receiver, app, weak=False)
    return app


def disk(folder: Path, **config: Any) -> Flask:
    """Flask-Chest with its defaults: the journal on disk."""
    return recorded(folder, **{**PARKED, **config})


def python(folder: Path) -> Flask:
    """Flask-Chest without its C extension; it needs a separate process."""
    import sys

    assert "flask_chest" not in sys.modules
    sys.modules["flask_chest._speedups._compiled"] = None  # type: ignore[assignment]
    return disk(folder)


def memory(folder: Path) -> Flask:
    """Flask-Chest with the memory buffer."""
    return recorded(folder, **PARKED, CHEST_BUFFER="memory")


def none(folder: Path) -> Flask:
    """Flask-Chest without a buffer; the chest drops each record."""
    return recorded(folder, CHEST_BUFFER="none")


def recorded(folder: Path, **config: Any) -> Flask:
    """Flask-Chest with a chest that costs nothing, so that the store is not measured."""
    from flask_chest import FlaskChest

    app = bare(folder)
    app.config.update({"CHEST_CHESTS": [make_nowhere()], **config})
    FlaskChest(app)
    return app


def make_nowhere() -> Any:
    """A chest that drops all records."""
    from flask_chest import Chest

    class Nowhere(Chest):
        def write(self, records: Any) -> None:
            pass

    return Nowhere()


def prometheus(folder: Path) -> Flask:
    """prometheus-flask-exporter, as in its README."""
    from prometheus_client import CollectorRegistry
    from prometheus_flask_exporter import PrometheusMetrics

    app = bare(folder)
    PrometheusMetrics(app, registry=CollectorRegistry())
    return app


def opentelemetry(folder: Path) -> Flask:
    """OpenTelemetry's Flask instrumentation, with batches and an exporter that drops them."""
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    app = bare(folder)
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
    return app


def dockerflow(folder: Path) -> Flask:
    """python-dockerflow, with its summaries as mozlog to ``/dev/null``."""
    import logging
    import os

    from dockerflow.flask import Dockerflow
    from dockerflow.logging import MozlogHandler

    app = bare(folder)
    extension = Dockerflow(app)
    logger = logging.getLogger("benchmarks.dockerflow")
    logger.addHandler(MozlogHandler(open(os.devnull, "w", encoding="utf-8")))  # noqa: SIM115
    logger.setLevel(logging.INFO)
    logger.propagate = False
    extension.summary_logger = logger
    return app


def sentry(folder: Path) -> Flask:
    """sentry-sdk with a trace of every request, and a transport that drops them."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            pass

    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0, transport=Nowhere, release="1"
    )
    return bare(folder)


def elastic(folder: Path) -> Flask:
    """elastic-apm: transactions are made, queued, encoded and dropped."""
    from elasticapm.contrib.flask import ElasticAPM

    app = bare(folder)
    app.config["ELASTIC_APM"] = {
        "SERVICE_NAME": "shop",
        "TRANSPORT_CLASS": "benchmarks.sinks.Transport",
        "CLOUD_PROVIDER": "none",
        "CENTRAL_CONFIG": False,
    }
    ElasticAPM(app)
    return app


def dashboard(folder: Path) -> Flask:
    """Flask-MonitoringDashboard, level 1: it stores the duration of each request in SQLite."""
    import flask_monitoringdashboard as theirs

    theirs.config.database_name = f"sqlite:///{folder}/dashboard.db"
    theirs.config.monitor_level = 1
    # It uses a hook that Flask 2.3 removed, so this does the work of the hook.
    first: list[Callable[[], object]] = []
    theirs.blueprint.before_app_first_request = first.append
    app = bare(folder)
    app.secret_key = "secret"
    theirs.bind(app, schedule=False)
    with app.app_context():
        for prepare in first:
            prepare()
    return app


def old(folder: Path) -> Flask:
    """flask-chest 0.0.10 with its custom writer: one POST to loopback within the request."""
    import json
    import logging

    # In the environment of this variant, the name imports the old package.
    from flask_chest import FlaskChestCustomWriter
    from flask_chest.decorator import flask_chest

    from .sinks import serve

    chest: Any = FlaskChestCustomWriter(
        url=serve(),  # type: ignore[arg-type]
        payload_generator=json.dumps,
        logger=logging.getLogger("benchmarks.old"),
    )
    app = bare(folder)
    names = ["user_id", "tenant", "total", "cached", "items"]
    decorate: Any = flask_chest(chests=[chest], tracked_vars={"GET": names})  # type: ignore[dict-item]
    app.view_functions["order"] = decorate(app.view_functions["order"])
    return app


def tagged(folder: Path) -> Flask:
    """Flask-Chest with five constant tags."""
    return disk(folder, CHEST_TAGS={f"tag_{number}": "value" for number in range(5)})


def listed(folder: Path) -> Flask:
    """Flask-Chest with tracked variables by name, instead of all of ``g``."""
    return disk(folder, CHEST_TRACKED_VARS=["user_id", "tenant", "total", "cached", "items"])


def sampled(folder: Path) -> Flask:
    """Flask-Chest that samples half of the requests."""
    return disk(folder, CHEST_SAMPLE_RATE=0.5)


def two_chests(folder: Path) -> Flask:
    """Flask-Chest with a second chest that gets every record."""
    return disk(folder, CHEST_CHESTS=[make_nowhere(), make_nowhere()])


def heard(folder: Path) -> Flask:
    """Flask-Chest with a receiver of ``record_captured``, for which the record is decoded."""
    from flask_chest.signals import record_captured

    def nothing(sender: Flask, **_: Any) -> None:
        pass

    app = disk(folder)
    record_captured.connect(nothing, app, weak=False)
    return app


def nested(folder: Path) -> Flask:
    """Flask-Chest with one value that is a dict of ten texts."""
    app = disk(folder)
    view = app.view_functions["order"]
    items = {f"item {position}": "a text" for position in range(10)}

    def order(number: int) -> Any:
        answer = view(number)
        g.items = items
        return answer

    app.view_functions["order"] = order
    return app


def unrecorded(folder: Path) -> Flask:
    """Flask-Chest with a rule that sets ``"record": False``."""
    return disk(folder, CHEST_RULES=[{"rule": "/orders/*", "record": False}])
