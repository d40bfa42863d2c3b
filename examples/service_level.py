r"""The classic example: what one route moved and how long it took, in two places at once.

It runs twice, side by side: ``decorated`` says it on the view, with ``@flask_chest`` and no
extension; ``configured`` says it by config alone. Both write to InfluxDB and an HTTP endpoint::

    INFLUXDB=influxdb://:TOKEN@localhost:8086/our-org/our-bucket ENDPOINT=http://localhost:9000/in \
        flask --app examples.service_level run
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Flask, g, request

from flask_chest import FlaskChest, FlaskChestCustomWriter, flask_chest

#: What the route leaves behind, by method.
TRACKED: Mapping[str, Sequence[str]] = {
    "GET": ["response_time"],
    "POST": ["transaction", "response_time"],
}


def payload(context_tuple_list: list[tuple[str, Any, str]]) -> dict[str, Any]:
    """What the endpoint wants to have: the transactions, and all response times."""
    return {
        "transactions": [value for name, value, _ in context_tuple_list if name == "transaction"],
        "response_times": [
            value for name, value, _ in context_tuple_list if name == "response_time"
        ],
    }


def transact() -> str:
    """The view: a ``POST`` moves an amount, a ``GET`` only looks."""
    begun = time.perf_counter()
    if request.method == "POST":
        g.transaction = float(request.form["amount"])
    g.response_time = time.perf_counter() - begun
    return "done"


def decorated(chests: Sequence[Any]) -> Flask:
    """An app whose only sign of Flask-Chest is the decorator on the view."""
    app = Flask(__name__)
    view = flask_chest(chests=chests, tracked_vars=TRACKED)(transact)
    app.add_url_rule("/transactions", view_func=view, methods=["GET", "POST"])
    return app


def configured(chests: Sequence[Any], **config: Any) -> Flask:
    """An app whose views know nothing of Flask-Chest."""
    app = Flask(__name__)
    app.config.from_mapping(CHEST_CHESTS=chests, CHEST_TRACKED_VARS=TRACKED, **config)
    FlaskChest(app)
    app.add_url_rule("/transactions", view_func=transact, methods=["GET", "POST"])
    return app


def create_app(**config: Any) -> Flask:
    """The configured one, with the two addresses from the environment."""
    endpoint = FlaskChestCustomWriter(
        os.environ["ENDPOINT"], verify=True, payload_generator=payload
    )
    return configured([os.environ["INFLUXDB"], endpoint], **config)
