"""Records of commands and jobs: app contexts outside of requests."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import click
import pytest
from flask import Flask, g
from flask.cli import AppGroup, FlaskGroup, ScriptInfo

from flask_chest import FlaskChest, FlaskChestSQLite
from flask_chest.chests.sql.reader import SQLReader
from tests import ROOT

from ..apps import Site
from ..torture.app import rescan


def run(site: Site, *words: str) -> object:
    """Run a command as the ``flask`` program does."""
    group = FlaskGroup(create_app=lambda: site.app, add_version_option=False)
    return site.app.test_cli_runner().invoke(
        group, words, obj=ScriptInfo(create_app=group.create_app)
    )


def test_a_job(site: Site) -> None:
    """An app context with values on ``g`` leaves a record of the kind ``job``."""
    with site.app.app_context():
        g.rows = 10
    record = site.only()
    assert (record.kind, record.vars, record.error) == ("job", {"rows": 10}, None)
    assert (record.method, record.route, record.endpoint, record.status) == (None,) * 4
    assert record.request_id == record.id


def test_a_job_that_fails(site: Site) -> None:
    """A job that raises leaves a record with its variables and the name of its error."""
    with pytest.raises(LookupError), site.app.app_context():
        g.rows = 10
        raise LookupError
    record = site.only()
    assert (record.kind, record.vars, record.error) == ("job", {"rows": 10}, "LookupError")


@pytest.mark.parametrize("tracked", [None, ["rows"]])
def test_a_context_that_tracks_nothing(
    make_site: Callable[..., Site], tracked: list[str] | None
) -> None:
    """An app context without tracked values on ``g`` leaves no record."""
    site = make_site(CHEST_TRACKED_VARS=tracked)
    with site.app.app_context():
        pass
    with site.app.app_context():
        g._private = 1
        g.connection = object()
    assert site.records == []


def test_a_context_within_a_context(site: Site) -> None:
    """Each app context has its own ``g``, so each leaves its own record."""
    with site.app.app_context():
        g.outer = 1
        with site.app.app_context():
            g.inner = 2
    assert [record.vars for record in site.records] == [{"inner": 2}, {"outer": 1}]


def test_a_job_after_a_request(site: Site) -> None:
    """A context after a request in the same thread leaves a record of a job."""
    site.app.add_url_rule("/", "home", lambda: "home")
    site.client.get("/")
    with site.app.app_context():
        g.rows = 1
    assert [record.kind for record in site.records] == ["request", "job"]


def test_a_job_of_another_app(site: Site, tmp_path: Path) -> None:
    """A view that opens a context of another app leaves a job there and a request here."""
    other = Site(tmp_path)

    @site.app.get("/")
    def view() -> str:
        g.mine = 1
        with other.app.app_context():
            g.theirs = 2
        return "done"

    with other.recording():
        site.client.get("/")
        assert (other.only().kind, other.only().vars) == ("job", {"theirs": 2})
        assert (site.only().kind, site.only().vars) == ("request", {"mine": 1})


def add_commands(app: Flask) -> None:
    @app.cli.command("import-data")
    def import_data() -> None:
        g.rows = 10

    @app.cli.command("fail")
    def fail() -> None:
        g.rows = 3
        raise LookupError("no file")

    group = AppGroup("stock")

    @group.command("count")
    @click.option("--by", default=1)
    def count(by: int) -> None:
        g.by = by

    app.cli.add_command(group)


def test_a_command(site: Site) -> None:
    """A command leaves a record with its name."""
    add_commands(site.app)
    run(site, "import-data")
    record = site.only()
    assert (record.kind, record.endpoint) == ("command", "import-data")
    assert record.vars == {"rows": 10, "process.exit.code": 0}
    assert record.error is None


def test_a_command_of_a_test_runner(site: Site) -> None:
    """A command that the app's test runner calls leaves a record with its name."""
    add_commands(site.app)
    site.app.test_cli_runner().invoke(args=["import-data"])
    record = site.only()
    assert (record.kind, record.endpoint) == ("command", "import-data")
    assert record.vars == {"rows": 10, "process.exit.code": 0}


def test_a_command_of_a_group(site: Site) -> None:
    """A command within a group that the test runner calls has the name of its group too."""
    add_commands(site.app)
    site.app.test_cli_runner().invoke(args=["stock", "count", "--by=2"])
    record = site.only()
    assert (record.kind, record.endpoint) == ("command", "stock count")
    assert record.vars == {"by": 2, "process.exit.code": 0}


ENDS: list[tuple[Callable[[], object], str | None]] = [
    (lambda: click.get_current_context().exit(), None),
    (lambda: click.get_current_context().exit(2), "click.exceptions.Exit"),
    (lambda: sys.exit(), None),
    (lambda: sys.exit(0), None),
    (lambda: sys.exit("no file"), "SystemExit"),
    (lambda: click.get_current_context().abort(), "click.exceptions.Abort"),
    (lambda: click.get_current_context().fail("which?"), "click.exceptions.UsageError"),
]


@pytest.mark.parametrize(("end", "error"), ENDS)
def test_how_a_command_ends(site: Site, end: Callable[[], object], error: str | None) -> None:
    """Exit code 0 is no error; any other exit is."""

    @site.app.cli.command("end")
    def command() -> None:
        g.rows = 1
        end()

    run(site, "end")
    record = site.only()
    assert (record.kind, record.endpoint, record.error) == ("command", "end", error)


@pytest.mark.parametrize(
    ("module", "kind"),
    [("celery.bin.celery", "job"), ("rq.cli.cli", "job"), ("shop.manage", "command")],
)
def test_a_job_of_a_worker(site: Site, module: str, kind: str) -> None:
    """Jobs of ``celery worker`` and ``rq worker`` are jobs; other programs run commands."""

    def program() -> None:
        pass

    program.__module__ = module
    group = click.group()(program)

    @group.command("worker")
    def worker() -> None:
        with site.app.app_context():
            g.rows = 1

    group.main(["worker"], standalone_mode=False)
    record = site.only()
    assert (record.kind, record.vars["rows"]) == (kind, 1)
    assert record.endpoint == (None if kind == "job" else "worker")


def test_a_job_within_a_command(site: Site) -> None:
    """An app context within a command has the name of the command."""

    @site.app.cli.command("outer")
    def outer() -> None:
        with site.app.app_context():
            g.rows = 1

    run(site, "outer")
    record = site.only()
    assert (record.kind, record.endpoint) == ("command", "outer")


def test_a_command_that_fails(site: Site) -> None:
    """A command that raises leaves a record with the name of its error."""
    add_commands(site.app)
    run(site, "fail")
    record = site.only()
    assert (record.kind, record.endpoint, record.error) == ("command", "fail", "LookupError")
    assert record.vars == {"rows": 3, "process.exit.code": 1}


PROGRAM = """
import click
from flask import Flask, g
from flask.cli import AppGroup
from flask_chest import FlaskChest

app = Flask("program", instance_path={folder!r})
app.config["CHEST_SHUTDOWN_TIMEOUT"] = 60
FlaskChest(app)

@app.cli.command("import-data")
def import_data():
    g.rows = 10

users = AppGroup("users")
app.cli.add_command(users)
admins = AppGroup("admins")
users.add_command(admins)

@admins.command("create")
@click.argument("name")
def create(name):
    g.rows = 10
"""


@pytest.mark.parametrize("words", ["import-data", "users admins create users"])
def test_a_process_of_its_own(tmp_path: Path, words: str) -> None:
    """The ``flask`` program delivers a command's record, with its full name, before it exits."""
    (tmp_path / "program.py").write_text(PROGRAM.format(folder=str(tmp_path)))
    subprocess.run(
        [sys.executable, "-W", "error", "-m", "flask", "--app", "program", *words.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        check=True,
        timeout=300,
    )
    app = Flask("reader", instance_path=str(tmp_path))
    reader = SQLReader(FlaskChestSQLite(app=app))
    [record] = reader.latest(10)
    reader.close()
    assert (record.kind, record.vars) == ("command", {"rows": 10, "process.exit.code": 0})
    assert record.endpoint == words.removesuffix(" users")
    assert record.duration_ms is not None
    assert 0 <= record.duration_ms < 300_000


FORKING = """
import os, sys
from flask import Flask, g
from flask_chest import FlaskChest

app = Flask("forking", instance_path=sys.argv[1])
chest = FlaskChest(app)


@app.get("/")
def view():
    g.n = 1
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return "done"
    with app.app_context():
        g.rows = 10
    if sys.argv[2] == "exit":
        sys.exit(3)
    if sys.argv[2] == "raise":
        raise LookupError
    os._exit(0)


try:
    app.test_client().get("/", headers={"X-Request-ID": "asked"})
except SystemExit:
    os._exit(0)
"""


@pytest.mark.server  # a whole process
@pytest.mark.parametrize("end", ["exit", "raise", "_exit"])
def test_a_job_in_a_child_of_a_view(tmp_path: Path, end: str) -> None:
    """A context in a forked child leaves a job; the parent records the request."""
    subprocess.run([sys.executable, "-c", FORKING, str(tmp_path), end], check=True, cwd=ROOT)
    app = Flask("forking", instance_path=str(tmp_path))
    extension = FlaskChest(app)
    with app.app_context():
        g.last = True
    rescan(app)
    assert extension.flush(60)
    with closing(sqlite3.connect(tmp_path / "chest.db")) as connection:
        [asked] = connection.execute("SELECT status FROM chest_records WHERE kind = 'request'")
        jobs = connection.execute("SELECT vars FROM chest_records WHERE kind = 'job'").fetchall()
    assert asked == (200,)
    assert ('{"rows":10}',) in jobs
    account = extension.stats()["chests"]["sqlite"]
    assert account["delivered"] == 1 + len(jobs)
    extension.close()
