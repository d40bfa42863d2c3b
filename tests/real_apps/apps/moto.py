"""moto's server: one Flask app per service of AWS, made at its first request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask


def make_app(folder: Path, attach: Callable[[Flask], None]) -> Any:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    def create(service: Any) -> Flask:
        app: Flask = create_backend_app(service)
        attach(app)
        return app

    return DomainDispatcherApplication(create)
