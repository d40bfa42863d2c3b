r"""Amounts and response times of one route, sent to two stores at once.

There are two versions: ``decorated`` uses ``@flask_chest`` on the view and no extension;
``configured`` uses the configuration only. Both write to InfluxDB and an HTTP endpoint::

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

#: The variables to record, by method.
TRACKED: Mapping[str, Sequence[str]] = {
    "GET": ["response_time"],
    "POST": ["transaction", "response_time"],
}


def payload(context_tuple_list: list[tuple[str, Any, str]]) -> dict[str, Any]:
    """Return the body for the endpoint: the transactions, and all response times."""
    return {
        "transactions": [value for name, value, _ in context_tuple_list if name == "transaction"],
        "response_times": [
            value for name, value, _ in context_tuple_list if name == "response_time"
        ],
    }


def transact() -> str:
    """Handle the request: a ``POST`` moves an amount, a ``GET`` does not."""
    begun = time.perf_counter()
    if request.method == "POST":
        g.transaction = float(request.form["amount"])
    g.response_time = time.perf_counter() - begun
    return "done"


def decorated(chests: Sequence[Any]) -> Flask:
    """Create an app that uses Flask-Chest only through the decorator of its view."""
    app = Flask(__name__)
    view = flask_chest(chests=chests, tracked_vars=TRACKED)(transact)
    app.add_url_rule("/transactions", view_func=view, methods=["GET", "POST"])
    return app


def configured(chests: Sequence[Any], **config: Any) -> Flask:
    """Create an app whose views do not mention Flask-Chest."""
    app = Flask(__name__)
    app.config.from_mapping(CHEST_CHESTS=chests, CHEST_TRACKED_VARS=TRACKED, **config)
    FlaskChest(app)
    app.add_url_rule("/transactions", view_func=transact, methods=["GET", "POST"])
    return app


def create_app(**config: Any) -> Flask:
    """Create the configured app, with the two addresses from the environment."""
    endpoint = FlaskChestCustomWriter(
        os.environ["ENDPOINT"], verify=True, payload_generator=payload
    )
    return configured([os.environ["INFLUXDB"], endpoint], **config)
