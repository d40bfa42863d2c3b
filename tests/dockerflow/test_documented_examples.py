"""Every example of python-dockerflow's page on Flask, with the import changed and nothing else.

https://python-dockerflow.readthedocs.io/en/latest/flask.html and the docstrings that it links to.
Each example is the text between the lines of a test; names that the page leaves to the reader
(``acme``, ``statsd``) are given here.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask


def run(example: str, **given: Any) -> dict[str, Any]:
    """Run an example as a module, and return the module's names."""
    names: dict[str, Any] = {"__name__": "documented_example", **given}
    exec(compile(example, "example", "exec"), names)
    return names


def test_setup() -> None:
    """The first example: an app, and Dockerflow on it."""
    app = run("""
from flask import Flask
from flask_chest.dockerflow import Dockerflow

app = Flask(__name__)
dockerflow = Dockerflow(app)
""")["app"]
    client = app.test_client()
    assert client.get("/__lbheartbeat__").status_code == 200
    assert client.get("/__heartbeat__").json["status"] == "ok"


def test_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The factory pattern: Dockerflow in one module, the app made in another."""
    package = tmp_path / "myproject"
    (package / "views").mkdir(parents=True)
    for name in ("admin", "frontend"):
        (package / "views" / f"{name}.py").write_text(
            f"from flask import Blueprint\n{name} = Blueprint({name!r}, __name__)\n"
        )
    (package / "deployment.py").write_text("""
from flask_chest.dockerflow import Dockerflow

dockerflow = Dockerflow()
""")
    (package / "app.py").write_text("""
from flask import Flask

def create_app(config_filename):
    app = Flask(__name__)
    app.config.from_pyfile(config_filename)

    from myproject.deployment import dockerflow
    dockerflow.init_app(app)

    from myproject.views.admin import admin
    from myproject.views.frontend import frontend
    app.register_blueprint(admin)
    app.register_blueprint(frontend)

    return app
""")
    config = tmp_path / "config.py"
    config.write_text("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE = 503\n")
    (tmp_path / "version.json").write_text('{"version": "2017.11.0"}')
    monkeypatch.syspath_prepend(tmp_path)
    app = run("from myproject.app import create_app")["create_app"](str(config))
    for name in [name for name in sys.modules if name.partition(".")[0] == "myproject"]:
        monkeypatch.delitem(sys.modules, name)
    client = app.test_client()
    assert client.get("/__version__").json == {"version": "2017.11.0"}
    assert client.get("/__heartbeat__").status_code == 200


def test_version_path(tmp_path: Path) -> None:
    """``version_path`` (the page's ``/app`` is a folder of the test here)."""
    content = {
        "commit": "52ce614fbf99540a1bf6228e36be6cef63b4d73b",
        "version": "2017.11.0",
        "source": "https://github.com/mozilla/telemetry-analysis-service",
        "build": "https://circleci.com/gh/mozilla/telemetry-analysis-service/2223",
    }
    (tmp_path / "version.json").write_text(json.dumps(content))
    app = run(
        """
from flask import Flask
from flask_chest.dockerflow import Dockerflow

app = Flask(__name__)
dockerflow = Dockerflow(app, version_path='/app')
""".replace("/app", str(tmp_path))
    )["app"]
    response = app.test_client().get("/__version__")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.json == content


CALLBACK = """
import json
from flask import Flask
from flask_chest.dockerflow import Dockerflow

app = Flask(__name__)
dockerflow = Dockerflow(app)

@dockerflow.version_callback
def my_version(root):
    return json.loads(os.path.join(root, 'acme_version.json'))
"""


def test_version_callback_as_it_is_printed() -> None:
    """The page's callback lacks an import and parses a path as JSON: the error is JSON."""
    response = run(CALLBACK)["app"].test_client().get("/__version__")
    assert response.status_code == 500
    assert response.json == {
        "error": "the version callback raised NameError",
        "status": "critical",
    }


def test_version_callback_as_it_is_meant(tmp_path: Path) -> None:
    """With both mistakes corrected, the callback's object is served."""
    (tmp_path / "acme_version.json").write_text('{"version": "7"}')
    mended = CALLBACK.replace("import json", "import json, os")
    mended = mended.replace(
        "json.loads(os.path.join(root, 'acme_version.json'))",
        "json.load(open_(os.path.join(root, 'acme_version.json')))",
    )
    names = run(
        mended.replace("Dockerflow(app)", f"Dockerflow(app, version_path={str(tmp_path)!r})"),
        open_=lambda path: io.StringIO(Path(path).read_text()),
    )
    assert names["app"].test_client().get("/__version__").json == {"version": "7"}


class Acme:
    """The page's external storage system."""

    class StorageException(Exception):  # noqa: N818 - the page's name
        msg = "the storage is away"

    class SlowConnectionException(StorageException):
        msg = "the storage is slow"

    def __init__(self) -> None:
        self.storage = self
        self.trouble: list[Exception] = []

    def ping(self) -> None:
        if self.trouble:
            raise self.trouble.pop()


def test_custom_check() -> None:
    """The page's check of a storage system, with each of its levels."""
    acme = Acme()
    app = run(
        """
from flask import Flask
from flask_chest.dockerflow import checks, Dockerflow

app = Flask(__name__)
dockerflow = Dockerflow(app)

@dockerflow.check
def storage_reachable():
    result = []
    try:
        acme.storage.ping()
    except SlowConnectionException as exc:
        result.append(checks.Warning(exc.msg, id='acme.health.0002'))
    except StorageException as exc:
        result.append(checks.Error(exc.msg, id='acme.health.0001'))
    return result
""",
        acme=acme,
        SlowConnectionException=Acme.SlowConnectionException,
        StorageException=Acme.StorageException,
    )["app"]
    app.config["TESTING"] = True
    client = app.test_client()
    assert client.get("/__heartbeat__").json["checks"] == {"storage_reachable": "ok"}
    acme.trouble.append(Acme.SlowConnectionException())
    slow = client.get("/__heartbeat__")
    assert (slow.status_code, slow.json["status"]) == (200, "warning")
    acme.trouble.append(Acme.StorageException())
    away = client.get("/__heartbeat__")
    assert away.status_code == 500
    assert away.json["details"]["storage_reachable"] == {
        "status": "error",
        "level": 40,
        "messages": {"acme.health.0001": "the storage is away"},
    }


def test_signals() -> None:
    """The page's receivers, connected for the app, count heartbeats."""
    counted: list[str] = []

    class Statsd:
        def incr(self, name: str) -> None:
            counted.append(name)

    from flask_chest.dockerflow import Dockerflow, checks

    app = Flask("signalling")
    app.config["TESTING"] = True
    dockerflow = Dockerflow(app)
    receivers = run(
        """
from flask_chest.dockerflow.signals import heartbeat_passed, heartbeat_failed

@heartbeat_passed.connect_via(app)
def heartbeat_passed_handler(sender, level, **extra):
    statsd.incr('heartbeat.pass')

@heartbeat_failed.connect_via(app)
def heartbeat_failed_handler(sender, level, **extra):
    statsd.incr('heartbeat.fail')
""",
        app=app,
        statsd=Statsd(),
    )
    app.test_client().get("/__heartbeat__")
    dockerflow.check(name="it")(lambda: [checks.Error("no")])
    app.test_client().get("/__heartbeat__")
    assert counted == ["heartbeat.pass", "heartbeat.fail"]
    assert receivers


def test_partial_checks_and_other_names() -> None:
    """The functions that register checks, and names from other modules."""
    names = run("""
from flask_chest.dockerflow import checks, health
from flask_chest.dockerflow.checks import (
    check_database_connected, check_migrations_applied, check_redis_connected)
from flask_chest.dockerflow.checks.messages import level_to_text
from flask_chest.dockerflow.version import get_version

@checks.register
def one():
    return []

@checks.register(name="second")
def two():
    return []

checks.register_partial(check_redis_connected, object(), name="cache")
""")
    assert list(names["checks"].get_checks()) == ["one", "second", "cache"]
    assert names["health"].ERROR_CANNOT_CONNECT_REDIS == "dockerflow.health.E004"
