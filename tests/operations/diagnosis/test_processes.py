"""The findings of the diagnosis about running servers: command lines, and real processes."""

from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path

import pytest

from flask_chest.operations.diagnosis import uwsgi
from flask_chest.operations.diagnosis.processes import (
    ServingProcess,
    examine_files,
    examine_hidden_writers,
    examine_process,
    examine_user,
    find_processes,
)

from ...apps import make_app
from ...servers.uwsgi import BINARY
from ...servers.web_server import WebServer


def remedies(command: str, exporter: str = "thread", **facts: object) -> list[str]:
    process = ServingProcess(0, command.split(), **facts)  # type: ignore[arg-type]
    return [finding.remedy for finding in examine_process(process, exporter)]


def test_uwsgi_without_threads(tmp_path: Path) -> None:
    """Threads may be enabled by an option, a file or a variable."""
    file = tmp_path / "shop.ini"
    file.write_text("[uwsgi]\nprocesses = 4\n")
    for command in ("uwsgi --http :80 --wsgi app", f"/usr/bin/uwsgi --ini {file}"):
        assert remedies(command) == ["enable-threads = true"]
        assert remedies(command, exporter="agent") == []
        assert remedies(command, environ={"UWSGI_ENABLE_THREADS": "1"}) == []
    assert remedies("uwsgi --http :80 --enable-threads") == []
    assert remedies("uwsgi --http :80 --threads=4") == []
    file.write_text("[uwsgi]\nenable-threads = true\n")
    assert remedies(f"/usr/bin/uwsgi {file}") == []


def test_the_development_server_in_production() -> None:
    """The development server is a problem if no terminal and no debug mode shows a developer."""
    command = "python3 /venv/bin/flask --app shop run --host 0.0.0.0"
    assert remedies(command, has_terminal=False) == ["gunicorn --workers 4 --threads 4 MODULE:app"]
    assert remedies("python3 -m flask run", has_terminal=False) != []
    assert remedies(command, has_terminal=True) == []
    assert remedies(f"{command} --debug", has_terminal=False) == []
    assert remedies(command, has_terminal=False, environ={"FLASK_DEBUG": "1"}) == []
    assert remedies("python3 /venv/bin/flask chest agent", has_terminal=False) == []


def test_other_servers() -> None:
    """Servers without exit hooks and mod_wsgi get a note; few open files are a problem."""
    assert remedies("python3 /venv/bin/uvicorn shop:app") == ['CHEST_EXPORTER = "agent"']
    assert remedies("python3 -m granian shop:app") == ['CHEST_EXPORTER = "agent"']
    assert remedies("python3 -m granian shop:app", exporter="agent") == []
    assert remedies("python3 /venv/bin/waitress-serve shop:app") == ['CHEST_EXPORTER = "agent"']
    assert remedies("/usr/sbin/apache2 -k start") == ["WSGIApplicationGroup %{GLOBAL}"]
    assert remedies("(wsgi:shop) -k start") == ["WSGIApplicationGroup %{GLOBAL}"]
    assert remedies("gunicorn shop:app", max_open_files=64) == ["ulimit -n 1024"]
    assert remedies("gunicorn shop:app") == []


@pytest.mark.parametrize(("version", "runs"), [("2.0.26", False), ("2.0.31", True)])
def test_versions_of_uwsgi(
    version: str, runs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since 2.0.27 threads always run; the program's help text shows it (simulated)."""
    text = "enable threads (stub option this is true by default)" if runs else "enable threads"
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "exe").write_bytes(b"\x7fELF" + f"\0uWSGI {version}\0{text}\0".encode())
    monkeypatch.setattr(uwsgi, "_PROC", tmp_path)
    assert uwsgi.has_threads(7, ["uwsgi", "--wsgi", "app"], {}) is runs
    # As a library of Python: pyuwsgi.
    (folder / "exe").rename(tmp_path / "pyuwsgi.abi3.so")
    (folder / "exe").write_bytes(b"\x7fELF python")
    (folder / "maps").write_text(f"7f0-7f1 r-xp 00000000 08:01 1234  {tmp_path}/pyuwsgi.abi3.so\n")
    assert uwsgi.has_threads(7, ["pyuwsgi", "--wsgi", "app"], {}) is runs


def test_configuration_of_uwsgi(tmp_path: Path) -> None:
    """Other formats than ini, and an option that is switched off."""
    for name, text, enabled in (
        ("shop.yaml", "uwsgi:\n  enable-threads: true\n", True),
        ("shop.json", '{"uwsgi": {\n  "threads": 4\n}}', True),
        ("shop.xml", "<uwsgi>\n  <enable-threads/>\n</uwsgi>", True),
        ("off.ini", "[uwsgi]\nenable-threads = false\n", False),
        ("other.ini", "[uwsgi]\nthreads-stacksize = 64\n", False),
    ):
        (tmp_path / name).write_text(text)
        assert bool(remedies(f"uwsgi {tmp_path / name}")) is not enabled, name


def test_dropped_rights(tmp_path: Path) -> None:
    """A process that runs as another user than the owner of its records; a simulation."""
    folder = tmp_path / "journal" / "01a22f27df80-4711-77f1df"
    folder.mkdir(parents=True)
    owner = folder.stat().st_uid
    command = ["gunicorn"]
    [found] = examine_user(ServingProcess(4711, command, user=owner + 1), tmp_path / "journal")
    assert "dropped its rights after the first one" in found.text
    assert found.remedy == f"chown {owner + 1} {tmp_path}, before the server starts"
    for process in (ServingProcess(1, command, user=owner + 1), ServingProcess(4711, command)):
        assert list(examine_user(process, tmp_path / "journal")) == []


def test_processes_of_other_containers(tmp_path: Path) -> None:
    """Writers that are not visible here are counted, not examined."""
    app = make_app(tmp_path)
    app.add_url_rule("/", view_func=lambda: "ok")
    app.test_client().get("/")
    journal = tmp_path / "chest-journal"
    assert list(examine_hidden_writers(journal, find_processes(journal))) == []
    [found] = examine_hidden_writers(journal, [])
    assert found.text.startswith("1 processes write to the journal that are not visible here")
    app.extensions["chest"].close()


def test_this_process(tmp_path: Path) -> None:
    """A process that writes to the journal is found, and a deleted store that it has open."""
    app = make_app(tmp_path)
    app.add_url_rule("/", view_func=lambda: "ok")
    journal, store = tmp_path / "chest-journal", tmp_path / "chest.db"
    assert find_processes(journal) == []
    app.test_client().get("/")
    assert app.extensions["chest"].flush(60)
    [process] = find_processes(journal)
    assert process.pid == os.getpid()
    assert list(examine_files(process, [store, None])) == []
    store.unlink()
    [process] = find_processes(journal)
    [found] = examine_files(process, [store, None])
    assert f"{store} was deleted or replaced" in found.text
    app.extensions["chest"].close()


_APP = """
from flask import Flask
from flask_chest import FlaskChest
app = Flask("shop", instance_path={folder!r})
FlaskChest(app)
app.add_url_rule("/", view_func=lambda: "ok")

@app.get("/threads")
def threads():
    import uwsgi
    return str(bool(uwsgi.has_threads))
"""


def threads_run(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/threads", timeout=60) as answer:
        return bool(answer.read() == b"True")


@pytest.mark.server
def test_a_real_uwsgi_without_threads(tmp_path: Path) -> None:
    """uWSGI as many deploy it: the line is missing only in versions before 2.0.27.

    uWSGI itself says whether threads run.
    """
    if not BINARY.exists():
        pytest.skip("uWSGI is missing")
    (tmp_path / "shop.py").write_text(_APP.format(folder=str(tmp_path)))
    (tmp_path / "shop.ini").write_text(
        "[uwsgi]\nhttp-socket = 127.0.0.1:0\nmaster = true\ndie-on-term = true\n"
        f"need-app = true\nwsgi = shop:app\npythonpath = {tmp_path}\nhome = {sys.prefix}\n"
    )
    command = [str(BINARY), "--ini", str(tmp_path / "shop.ini")]
    with WebServer(command, workers=1, log=tmp_path / "log", env={}) as server:
        urllib.request.urlopen(server.url, timeout=60).close()
        journal = tmp_path / "chest-journal"
        [process, *_] = find_processes(journal)
        found = [each.remedy for each in examine_process(process, "thread")]
        assert ("enable-threads = true" in found) != threads_run(server.url)


@pytest.mark.server
def test_a_real_development_server(tmp_path: Path) -> None:
    """``flask run`` as a service."""
    (tmp_path / "shop.py").write_text(_APP.format(folder=str(tmp_path)))
    command = [sys.executable, "-m", "flask", "--app", str(tmp_path / "shop.py"), "run", "-p", "0"]
    with WebServer(command, workers=0, log=tmp_path / "log", env={"FLASK_DEBUG": "0"}) as server:
        urllib.request.urlopen(server.url, timeout=60).close()
        journal = tmp_path / "chest-journal"
        [process] = find_processes(journal)
        [found] = examine_process(process, "thread")
        assert "development server" in found.text
    assert find_processes(journal) == []
