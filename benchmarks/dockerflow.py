"""Cost that ``request.summary`` adds to a request, compared with python-dockerflow's.

Three apps answer the same request in turn: a bare one, one with python-dockerflow and one with
Flask-Chest's Dockerflow. Both log mozlog to ``/dev/null``. The benchmark measures CPU time in many
rounds, since machines are noisy. Run it with ``python -m benchmarks.dockerflow``.
"""

from __future__ import annotations

import gc
import logging
import os
import statistics
from collections.abc import Callable
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

from flask import Flask

import flask_chest.dockerflow
import flask_chest.dockerflow.logging

from .apps import ENVIRON
from .installed import installed
from .promises import Promise, report_promises
from .workers import drain, start_response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

ROUNDS = 150
REQUESTS = 50

#: Promised maximum, as a fraction of python-dockerflow's cost.
PROMISE = 0.5


def main() -> None:
    """Measure, and print the ratio."""
    if not installed(["dockerflow"]):
        print("left out: python-dockerflow: not installed")
        return
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        apps = {
            "bare": _app(),
            "python-dockerflow": _with_theirs(_app(), nowhere),
            "flask-chest": _with_ours(_app(), nowhere),
        }
        costs = measure({name: app.wsgi_app for name, app in apps.items()})
    theirs = costs["python-dockerflow"] - costs["bare"]
    ours = costs["flask-chest"] - costs["bare"]
    print(f"bare app            {costs['bare']:6.1f} us per request")
    print(f"python-dockerflow  +{theirs:6.1f} us")
    print(f"flask-chest        +{ours:6.1f} us")
    report_promises(
        [Promise("request.summary, cost relative to python-dockerflow's", ours / theirs, PROMISE)]
    )


def measure(apps: dict[str, Callable[..., Any]]) -> dict[str, float]:
    """Microseconds of a request to each app: the mean of the fastest quarter of its rounds.

    Other work on the machine can only add time, so the fastest rounds are the most exact.
    """
    rounds: dict[str, list[float]] = {name: [] for name in apps}
    gc.disable()
    for _ in range(ROUNDS):
        for name, app in apps.items():
            rounds[name].append(_one_round(app))
        gc.collect()
    gc.enable()
    return {name: statistics.mean(sorted(times)[: ROUNDS // 4]) for name, times in rounds.items()}


def _one_round(app: WSGIApplication) -> float:
    environs = [dict(ENVIRON) for _ in range(REQUESTS)]
    began = thread_time_ns()
    for environ in environs:
        drain(app(environ, start_response))
    return (thread_time_ns() - began) / REQUESTS / 1000


def _app() -> Flask:
    app = Flask(__name__)

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        return f"order {number}"

    return app


def _with_theirs(app: Flask, nowhere: Any) -> Flask:
    import dockerflow.flask
    import dockerflow.logging

    extension = dockerflow.flask.Dockerflow(app)
    extension.summary_logger = _logger("theirs", dockerflow.logging.MozlogHandler(nowhere))
    return app


def _with_ours(app: Flask, nowhere: Any) -> Flask:
    extension = flask_chest.dockerflow.Dockerflow(app)
    handler = flask_chest.dockerflow.logging.MozlogHandler(nowhere)
    extension.summary_logger = _logger("ours", handler)
    return app


def _logger(name: str, handler: logging.Handler) -> logging.Logger:
    logger = logging.getLogger(f"benchmark.{name}")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger


if __name__ == "__main__":
    main()
