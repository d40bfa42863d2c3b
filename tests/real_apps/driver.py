"""Serves one app in its own environment: ``driver.py APP FOLDER [chest]``.

It prints the port, and stops when its standard input ends. It imports nothing of the tests, since
the environment has only the app and Flask-Chest.
"""

from __future__ import annotations

import os
import sys
import threading
from importlib import util
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

_chests: list[Any] = []


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


def main(name: str, folder: Path, with_chest: bool) -> None:
    def attach(app: Flask) -> None:
        if with_chest:
            from flask_chest import FlaskChest

            app.config["CHEST_CHESTS"] = [f"sqlite:///{folder / 'chest.db'}"]
            app.config["CHEST_JOURNAL_DIR"] = str(folder / "chest-journal")
            _chests.append(FlaskChest(app))

    spec = util.spec_from_file_location("real_app", Path(__file__).parent / "apps" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = module.make_app(folder, attach)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"port {server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()
    for chest in _chests:
        if not chest.flush(60):
            sys.exit("records wait for delivery")
        chest.close()
    # Some apps have threads that never end.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), "chest" in sys.argv[3:])
