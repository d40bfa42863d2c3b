"""Several storefronts of one shop, selected by the host name."""

from __future__ import annotations

from flask import Flask, g, request

STOREFRONTS = {"north.shop.test": "north", "south.shop.test": "south"}


def init_app(app: Flask) -> None:
    app.before_request(find_tenant)


def find_tenant() -> None:
    hostname = request.host.partition(":")[0]
    g.tenant = STOREFRONTS.get(hostname, "main")
