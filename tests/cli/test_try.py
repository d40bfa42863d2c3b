"""``flask chest try``: refusals, and whole runs on apps that know nothing of Flask-Chest."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from flask import Flask

from flask_chest import FlaskChestSQLite, flask_chest
from flask_chest.cli.try_ import attach_chest
from flask_chest.config.fact_names import FACTS
from flask_chest.testing import capture_records

from .shop import make_shop, run

_PLAIN = """
from flask import Flask, g
app = Flask(__name__)

@app.get("/hello/<name>")
def hello(name):
    g.greeted = name
    return f"hello {name}"
"""
_FACTORY = """
from flask import Flask, g

def create_app():
    app = Flask(__name__)

    @app.before_request
    def log_in():
        return "please log in", 401

    @app.route("/", defaults={"path": ""})
    @app.route("/<path:path>")
    def all_pages(path):
        return path

    # This app does not allow to add a route any more.
    app.test_client().get("/")
    return app
"""


def flask(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", str(folder / "theirs.py"), *arguments]


def read_until(stream: IO[str] | None, pattern: str) -> re.Match[str]:
    assert stream is not None
    lines = []
    for line in stream:
        lines.append(line)
        found = re.search(pattern, line)
        if found is not None:
            return found
    raise AssertionError("".join(lines))


def fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.read()


@contextmanager
def trying(folder: Path, *options: str) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    """Run the command; yield the app's address, the dashboard's, and the process."""
    (folder / "tmp").mkdir()
    command = flask(folder, "chest", "try", "--port", "0", "--dashboard-port", "0", *options)
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            app = read_until(process.stdout, r"is at (http://127\.0\.0\.1:\d+)/")[1]
            dashboard = read_until(process.stdout, r"is at +(http://127\.0\.0\.1:\d+/chest/)")[1]
            yield app, dashboard, process
        finally:
            process.kill()


def stop(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output


@pytest.mark.server
def test_a_plain_app(tmp_path: Path) -> None:
    """Each request appears in the dashboard; Ctrl-C leaves nothing behind."""
    (tmp_path / "theirs.py").write_text(_PLAIN)
    with trying(tmp_path) as (app, dashboard, process):
        assert fetch(f"{app}/hello/ann") == b"hello ann"
        page = b""
        while b"/hello/&lt;name&gt;" not in page:
            page = fetch(dashboard)
            assert process.poll() is None
        output = stop(process)
    assert "1 requests recorded, with all facts" in output
    assert "app.config['CHEST_FACTS'] = 'all'" in output
    assert list((tmp_path / "tmp").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"theirs.py", "tmp"}


@pytest.mark.server
def test_a_factory_that_takes_every_url(tmp_path: Path) -> None:
    """The dashboard is a separate app, so logins and routes of the first one do not apply."""
    (tmp_path / "theirs.py").write_text(_FACTORY)
    with trying(tmp_path, "--keep") as (app, dashboard, process):
        assert fetch(f"{app}/chest/") == b"please log in"
        assert b"Flask-Chest" in fetch(dashboard)
        output = stop(process)
    found = re.search(r"flask-chest --chest (sqlite:////\S+/chest\.db) stats", output)
    assert found is not None
    exported = subprocess.run(
        [sys.executable, "-m", "flask_chest", "--chest", found[1], "export"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    [record] = map(json.loads, exported.stdout.splitlines())
    assert (record["route"], record["status"]) == ("/<path:path>", 401)


def test_an_app_with_a_chest(tmp_path: Path) -> None:
    """An app that has a ``FlaskChest`` is not recorded twice."""
    result = run(make_shop(tmp_path), "try")
    assert result.exit_code == 1
    assert "the app 'shop' has a FlaskChest already" in result.output
    assert list(tmp_path.iterdir()) == []


def test_an_app_with_decorated_views(tmp_path: Path) -> None:
    """Decorated views would write to their own stores, which may be production's."""
    app = Flask("decorated")
    store = FlaskChestSQLite(str(tmp_path / "production.db"))
    app.add_url_rule("/", view_func=flask_chest([store])(lambda: "ok"))
    result = run(app, "try")
    assert result.exit_code == 1
    assert "write to their own chests by @flask_chest" in result.output


def test_a_wrong_setting() -> None:
    """A ``CHEST_*`` key that is wrong is named, and no server starts."""
    app = Flask("wrong")
    app.config["CHEST_SLOW_MS"] = "soon"
    result = run(app, "try")
    assert result.exit_code == 1
    assert result.output.startswith("Error: CHEST_SLOW_MS: ")


def test_every_fact_is_on(tmp_path: Path) -> None:
    """The point is to see everything, so all further facts are recorded."""
    app = Flask("theirs")
    app.add_url_rule("/<name>", "view", lambda name: name)
    chest = attach_chest(app, tmp_path)
    with capture_records(app) as records:
        app.test_client().get("/ann")
    chest.close()
    assert chest.of(app).settings.facts == FACTS
    [record] = records
    assert record.vars.keys() == {"name", "cpu_ms", "request_bytes", "response_bytes"}


@pytest.mark.server
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise RuntimeError('SECRET_KEY is not set\\nat all')", "RuntimeError: SECRET_KEY is not"),
        ("import there_is_no_such_module", "there_is_no_such_module"),
        # The shape of a Django project: a WSGI application that is not Flask's.
        ("class WSGIHandler: pass\napplication = WSGIHandler()", "Flask application or factory"),
        ("def create_app(): return dict", "Flask application or factory"),
    ],
)
def test_apps_that_refuse(code: str, message: str, tmp_path: Path) -> None:
    """An app that cannot be loaded, or is none: one sentence, no traceback, no folder."""
    (tmp_path / "theirs.py").write_text(code)
    result = subprocess.run(
        flask(tmp_path, "chest", "try"),
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert result.returncode in {1, 2}
    assert "Error: " in result.stderr
    assert message in result.stderr
    assert result.stderr.count("Traceback") <= (message == "there_is_no_such_module")
    assert not list(tmp_path.glob("flask-chest-*"))
