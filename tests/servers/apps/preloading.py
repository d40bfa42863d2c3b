"""An app that delivers while it is imported, so that a server forks it in the middle of a write.

``INSTANCE`` is the instance folder.
"""

from __future__ import annotations

import os
import threading
import time

from flask import Flask, g

from flask_chest import FlaskChest


def create_app() -> Flask:
    """Make the app; a thread goes on to leave records, as an import does that takes long."""
    app = Flask(__name__, instance_path=os.environ["INSTANCE"])
    app.config["CHEST_EXPORT_INTERVAL"] = 0.05
    FlaskChest(app)

    @app.get("/")
    def view() -> str:
        g.pid = os.getpid()
        return str(os.getpid())

    threading.Thread(target=_leave_records, args=(app,), daemon=True).start()
    # A server forks when the import is over: deliveries are under way then.
    time.sleep(0.5)
    return app


def _leave_records(app: Flask) -> None:
    master = os.getpid()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with app.app_context():
            g.imported_by = master
            g.filling = "x" * 4000
