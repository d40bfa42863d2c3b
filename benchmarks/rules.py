"""Cost of a request with one rule and with ten thousand: ``python -m benchmarks.rules``.

Two apps with the same ten thousand routes are called in turn, and their times are compared pair by
pair, so that other work on the machine affects both.
"""

from __future__ import annotations

import gc
import time
from statistics import median
from typing import Any

from flask import Flask, g

from flask_chest import FlaskChest

from .promises import Promise, report_promises
from .workers import call

ROUTES = 10_000
ROUNDS = 301
STRETCH = 100
LIMIT = 1.05


def make_app(rules: int) -> Flask:
    """Make an app with many routes, and rules for some or all of them."""
    app = Flask(__name__)
    app.config.update(
        CHEST_CHESTS=["memory://"],
        CHEST_BUFFER="memory",
        CHEST_EXPORT_INTERVAL=3600,
        CHEST_BATCH_SIZE=10**9,
        CHEST_TRACKED_VARS=["user_id"],
        CHEST_RULES=[
            {"rule": f"/orders/{n}", "methods": ["GET"], "track": ["total"]} for n in range(rules)
        ],
    )
    FlaskChest(app)

    def view() -> str:
        g.user_id = 42
        g.total = 99.5
        return "paid"

    for number in range(ROUTES):
        app.add_url_rule(f"/orders/{number}", f"order{number}", view)
    return app


def ask(app: Flask, environ: dict[str, Any]) -> float:
    """Mean of microseconds per request."""
    began = time.perf_counter()
    for _ in range(STRETCH):
        call(app, environ)
    return (time.perf_counter() - began) / STRETCH * 1e6


def main() -> None:
    apps = [make_app(1), make_app(ROUTES)]
    environ = apps[0].test_request_context("/orders/0").request.environ
    for app in apps:
        began = time.perf_counter()
        ask(app, environ)
        took = time.perf_counter() - began
        print(f"first requests, {len(app.config['CHEST_RULES']):6} rules: {took * 1000:8.1f} ms")
    gc.collect()
    gc.disable()
    pairs = []
    for number in range(ROUNDS):
        turn = apps if number % 2 else apps[::-1]
        times = {id(app): ask(app, environ) for app in turn}
        pairs.append((times[id(apps[0])], times[id(apps[1])]))
    one, many = (median(each) for each in zip(*pairs, strict=True))
    ratio = median(many / one for one, many in pairs)
    print(f"a request,           1 rule:  {one:8.1f} us")
    print(f"a request,      10,000 rules: {many:8.1f} us")
    report_promises([Promise("a request with 10,000 rules, relative to one rule", ratio, LIMIT)])
    for app in apps:
        app.extensions["chest"].close()


if __name__ == "__main__":
    main()
