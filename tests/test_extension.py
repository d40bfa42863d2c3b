"""``FlaskChest`` with one app and with many: ``init_app()``, ``flush()``, ``close()``, cleanup."""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask, g
from flask_apscheduler import APScheduler

from flask_chest import FlaskChest, flask_chest
from flask_chest.chests.memory import MemoryChest
from flask_chest.delivery.journal.partition import Partition
from flask_chest.errors import ConfigError
from flask_chest.signals import batch_delivered
from tests import ROOT

from .apps import make_plain_app

# 1,000 apps take longer and test the same code; set the number by hand.
APPS = 30
DRIVERS = (
    *("sqlite3", "psycopg", "pymysql", "pymongo", "influxdb_client", "requests", "urllib3"),
    *("confluent_kafka", "google.protobuf", "redis", "clickhouse_connect"),
)


def number_app(folder: Path, **config: Any) -> Flask:
    """Make an app with one view; the instance folder does not exist yet."""
    given = {"CHEST_CHESTS": ["memory://"], "CHEST_SHUTDOWN_TIMEOUT": 60}
    app = make_plain_app(folder / "instance", **{**given, **config})

    @app.get("/<int:number>")
    def view(number: int) -> str:
        g.number = number
        return "ok"

    return app


def numbers(app: Flask) -> list[Any]:
    """Return the numbers that the app's first chest has received."""
    memory = FlaskChest.of(app.extensions["chest"], app).chests[0]
    assert isinstance(memory, MemoryChest)
    return [record.vars["number"] for record in memory.records]


def own_threads() -> set[threading.Thread]:
    return set(threading.enumerate())


@pytest.fixture(autouse=True)
def _no_threads_left() -> Iterator[None]:
    """Check that every thread a test starts ends with the test."""
    before = own_threads()
    yield
    for thread in own_threads() - before:
        thread.join(60)
        assert not thread.is_alive(), thread


def run(code: str, folder: Path) -> str:
    """Run a script in a new process, in an empty folder, and return its output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_app_factory(tmp_path: Path) -> None:
    """``init_app()`` works in an app factory, before the app has routes."""
    chest = FlaskChest()

    def create_app() -> Flask:
        app = Flask(__name__, instance_path=str(tmp_path))
        app.config["CHEST_CHESTS"] = ["memory://"]
        chest.init_app(app)
        return app

    app = create_app()

    @app.get("/")
    def view() -> str:
        g.number = 7
        return "ok"

    assert app.extensions["chest"] is chest
    assert app.test_client().get("/").text == "ok"
    assert chest.flush()
    assert numbers(app) == [7]
    chest.close()


def test_many_apps_of_one_extension(tmp_path: Path) -> None:
    """The apps of one extension have separate settings, chests and ledgers."""
    chest = FlaskChest()
    apps = [
        number_app(tmp_path / str(n), CHEST_TAGS={"app": n}, CHEST_BUFFER=buffer)
        for n, buffer in enumerate(("disk", "memory", "none"))
    ]
    for number, app in enumerate(apps):
        chest.init_app(app)
        for each in range(number + 1):
            app.test_client().get(f"/{each}")
    assert chest.flush()
    for number, app in enumerate(apps):
        assert numbers(app) == list(range(number + 1))
        with app.app_context():
            assert chest.stats()["chests"]["memory"]["delivered"] == number + 1
            assert chest.of().settings.tags == {"app": number}
    assert [(tmp_path / str(n) / "instance").exists() for n in range(3)] == [True, False, False]
    chest.close()


def test_an_extension_per_app(tmp_path: Path) -> None:
    """Apps with the same name in one process do not see each other's records."""
    apps = [number_app(tmp_path / str(n)) for n in range(3)]
    chests = [FlaskChest(app, tracked_vars=["number"]) for app in apps]
    for number, app in enumerate(apps):
        app.test_client().get(f"/{number}")
    assert all(chest.flush() for chest in chests)
    assert [numbers(app) for app in apps] == [[0], [1], [2]]
    for chest in chests:
        chest.close()


def test_one_chest_object_for_many_apps(tmp_path: Path) -> None:
    """A shared chest stays in the folder of its first app and stores the records of all apps."""
    chest = FlaskChest(chests=[{"url": "sqlite:///rows.db"}])
    apps = [number_app(tmp_path / str(n)) for n in range(2)]
    chest.init_app(apps[0])
    shared = chest.of(apps[0]).chests[0]
    other = FlaskChest(apps[1], chests=[shared])
    for app in apps:
        app.test_client().get("/1")
    assert chest.flush()
    assert other.flush()
    assert shared.describe() == str(tmp_path / "0" / "instance" / "rows.db")
    assert not (tmp_path / "1" / "instance" / "rows.db").exists()
    chest.close()
    apps[1].test_client().get("/2")
    assert other.flush(), "the other app's close() did not take the chest away"
    other.close()


def test_a_shared_chest_keeps_its_name(tmp_path: Path) -> None:
    """A shared chest has the same name in its second app, which has more chests."""
    shared = MemoryChest()
    apps = [number_app(tmp_path / str(n)) for n in range(2)]
    extensions = [
        FlaskChest(apps[0], chests=[shared]),
        FlaskChest(apps[1], chests=[MemoryChest(), shared]),
    ]
    for app, extension in zip(apps, extensions, strict=True):
        app.test_client().get("/1")
        assert extension.flush(10)
        accounts = extension.stats()["chests"]
        assert all(each["delivered"] == 1 for each in accounts.values())
        extension.close()
    assert len(shared.records) == 2
    assert set(accounts) == {"memory", "memory-2"}


def test_a_shared_chest_whose_name_is_taken(tmp_path: Path) -> None:
    """If another chest of an app has the shared chest's name, the app raises an error."""
    shared, namesake = MemoryChest(), MemoryChest(name="memory")
    FlaskChest(number_app(tmp_path / "one"), chests=[shared])
    with pytest.raises(ConfigError, match=r"the name 'memory' is taken .* another 'name'"):
        FlaskChest(number_app(tmp_path / "two"), chests=[namesake, shared])
    other = FlaskChest(app := number_app(tmp_path / "three"), chests=[namesake])
    with pytest.raises(ConfigError, match=r"the name 'memory' is taken .* another 'name'"):
        other.of(app).attach_chests([shared])


@pytest.mark.parametrize("enabled", [True, False])
def test_a_second_init_app_is_refused_with_advice(tmp_path: Path, enabled: bool) -> None:
    """The error of a second ``init_app()`` says where to name several chests."""
    app = number_app(tmp_path, CHEST_ENABLED=enabled)
    chest = FlaskChest(app)
    for again in (chest.init_app, FlaskChest):
        with pytest.raises(ConfigError, match=r"call init_app\(\) once, .* CHEST_CHESTS"):
            again(app)
    app.test_client().get("/1")
    assert chest.flush()
    delivered = [each["delivered"] for each in chest.stats()["chests"].values()]
    assert delivered == ([1] if enabled else [])
    chest.close()


def test_disabled(tmp_path: Path) -> None:
    """With ``CHEST_ENABLED=False`` nothing is hooked, wrapped, made or started."""
    app = number_app(tmp_path, CHEST_ENABLED=False, CHEST_CHESTS=["sqlite:///chest.db"])
    wsgi_app, hooks = app.wsgi_app, (app.before_request_funcs, app.after_request_funcs)
    before = own_threads()
    chest = FlaskChest(app)
    chest.track("shop", ["a"])
    assert app.wsgi_app == wsgi_app
    assert (app.before_request_funcs, app.after_request_funcs) == hooks
    response = app.test_client().get("/1")
    assert "X-Request-ID" not in response.headers
    assert own_threads() <= before
    assert list(tmp_path.iterdir()) == []


def test_disabled_for_decorated_views(tmp_path: Path) -> None:
    """With recording off, a decorator with chests writes nothing."""
    memory = MemoryChest()
    for with_extension in (True, False):
        app = number_app(tmp_path, CHEST_ENABLED=False)
        if with_extension:
            FlaskChest(app)
        app.add_url_rule("/own", "own", flask_chest(chests=[memory])(lambda: "ok"))
        assert app.test_client().get("/own").text == "ok"
    assert memory.records == []


def test_methods_of_a_disabled_app(tmp_path: Path) -> None:
    """``stats()``, ``flush()`` and ``close()`` work with recording off, for this app only."""
    off, on = (
        number_app(tmp_path / "off", CHEST_ENABLED=False),
        number_app(tmp_path / "on"),
    )
    chest = FlaskChest(off)
    assert chest.stats() == {"chests": {}}
    chest.init_app(on)
    on.test_client().get("/1")
    with off.app_context():
        assert chest.stats() == {"chests": {}}
        assert chest.flush()
        chest.close()
        assert numbers(on) == [], "the flush was the other app's"
    with on.app_context():
        assert chest.flush()
    assert numbers(on) == [1]
    chest.close()


def test_flush_and_stats_within_and_outside_of_contexts(tmp_path: Path) -> None:
    """In a context they cover its app; outside, ``flush()`` covers all apps."""
    chest = FlaskChest()
    one, two = number_app(tmp_path / "1"), number_app(tmp_path / "2")
    chest.init_app(one)
    one.test_client().get("/1")
    assert chest.flush()
    assert chest.stats()["chests"] == {
        "memory": {"captured": 1, "delivered": 1, "pending": 0, "rejected": 0, "lost": {}}
    }
    chest.init_app(two)
    with pytest.raises(RuntimeError, match=r"call this within app\.app_context\(\)"):
        chest.stats()
    for app in (one, two):
        app.test_client().get("/2")
    with two.test_request_context("/"):
        assert chest.flush()
        assert (numbers(two), chest.stats()["chests"]["memory"]["delivered"]) == ([2], 1)
    assert chest.flush()
    assert numbers(one) == [1, 2]
    chest.close()


def test_requests_after_close(tmp_path: Path) -> None:
    """A request after ``close()`` starts the delivery again; a second ``close()`` does nothing."""
    app = number_app(tmp_path)
    chest = FlaskChest(app)
    for number in range(3):
        app.test_client().get(f"/{number}")
        chest.close()
        chest.close()
        assert numbers(app) == list(range(number + 1))
    assert chest.stats()["chests"]["memory"]["delivered"] == 3


def test_flush_with_nothing_to_do(tmp_path: Path) -> None:
    """Before the first request, ``flush()`` and ``stats()`` start no thread and make no file."""
    before = own_threads()
    app = number_app(tmp_path)  # held: an app that nobody holds is let go
    chest = FlaskChest(app)
    assert chest.flush()
    assert chest.flush(timeout=0)
    assert chest.stats()["chests"]["memory"]["captured"] == 0
    assert own_threads() <= before
    assert not (tmp_path / "instance").exists()
    assert FlaskChest().flush()


def open_files(folder: Path) -> list[str]:
    """Return the open files in a folder; threads of other tests may have opened others."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # iterdir()'s own descriptor is closed by now
            found.append(str(link.readlink()))
    return sorted(each for each in found if each.startswith(str(folder)))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
@pytest.mark.parametrize("shared", [True, False], ids=["one extension", "an extension each"])
def test_closed_apps_are_collected(tmp_path: Path, shared: bool) -> None:
    """Closed apps are garbage-collected, and no descriptor, thread or file is left."""
    common = FlaskChest()
    alive: list[weakref.ref[Any]] = []

    def use(number: int) -> None:
        app = number_app(tmp_path, CHEST_BUFFER=("disk", "memory", "none")[number % 3])
        chest = common if shared else FlaskChest()
        chest.init_app(app)
        app.add_url_rule("/own", "own", flask_chest(chests=["memory://"])(lambda: "ok"))
        app.test_client().get("/7")
        app.test_client().get("/own")
        with app.app_context():
            chest.close()
            assert numbers(app) == [7]
        alive.extend((weakref.ref(app), weakref.ref(chest.of(app)), weakref.ref(app.wsgi_app)))

    for number in range(3):
        use(number)
    gc.collect()
    files = sorted(str(path) for path in tmp_path.rglob("*"))
    descriptors, threads = open_files(tmp_path), own_threads()
    for number in range(APPS):
        use(number)
    for thread in own_threads() - threads:
        thread.join(60)
    assert own_threads() <= threads
    gc.collect()  # only now: a thread that is about to end still refers to its app
    gc.collect()
    assert sum(each() is not None for each in alive) == 0
    assert open_files(tmp_path) == descriptors
    assert sorted(str(path) for path in tmp_path.rglob("*")) == files


def test_decorated_apps_without_an_extension_are_collected(tmp_path: Path) -> None:
    """The state that a decorator keeps for an app is collected with the app."""
    memory = MemoryChest()
    decorated = flask_chest(chests=[memory])(lambda: "ok")
    alive = []
    for _ in range(10):
        app = number_app(tmp_path)
        app.add_url_rule("/own", "own", decorated)
        app.test_client().get("/own")
        alive.append(weakref.ref(app))
    del app
    gc.collect()
    assert [each() for each in alive] == [None] * 10
    assert len(memory.records) == 10


@pytest.mark.parametrize(
    ("content", "tags"),
    [
        ('{"version": "1.2.3", "commit": "abc"}', {"version": "1.2.3", "env": "test"}),
        ('{"version": 7}', {"env": "test"}),
        ("[]", {"env": "test"}),
        ("{", {"env": "test"}),
        (None, {"env": "test"}),
    ],
)
def test_version_tag(tmp_path: Path, content: str | None, tags: dict[str, str]) -> None:
    """The version in ``version.json`` becomes a tag; a damaged file is ignored."""
    (tmp_path / "shop").mkdir()
    if content is not None:
        (tmp_path / "version.json").write_text(content)
    app = Flask("shop", root_path=str(tmp_path / "shop"), instance_path=str(tmp_path))
    app.config.update(CHEST_CHESTS=["memory://"], CHEST_BUFFER="none", CHEST_TAGS={"env": "test"})
    chest = FlaskChest(app)
    app.test_client().get("/")
    [memory] = chest.of().chests
    assert isinstance(memory, MemoryChest)
    assert memory.records[0].tags == tags


def test_a_configured_tag_wins_over_version_json(tmp_path: Path) -> None:
    """``CHEST_TAGS`` may set ``version``."""
    (tmp_path / "version.json").write_text('{"version": "1"}')
    app = Flask("shop", root_path=str(tmp_path / "shop"), instance_path=str(tmp_path))
    app.config.update(CHEST_CHESTS=["memory://"], CHEST_BUFFER="none", CHEST_TAGS={"version": "2"})
    chest = FlaskChest(app)
    app.test_client().get("/")
    [memory] = chest.of().chests
    assert isinstance(memory, MemoryChest)
    assert memory.records[0].tags == {"version": "2"}


def wait_for_delivery(app: Flask, act: Callable[[], object]) -> None:
    """Call a function and wait until the scheduler has delivered its records."""
    delivered = threading.Event()

    def note(sender: Flask, **_: Any) -> None:
        delivered.set()

    with batch_delivered.connected_to(note, app):
        act()
        assert delivered.wait(60)


def test_a_lent_scheduler(tmp_path: Path) -> None:
    """Delivery runs as a named job on the app's scheduler and removes it in ``close()``."""
    scheduler = BackgroundScheduler()
    scheduler.add_job(print, "interval", hours=1, id="theirs", name="theirs")
    scheduler.start()
    app = number_app(tmp_path, CHEST_EXPORT_INTERVAL=0.05)
    chest = FlaskChest(app, scheduler=scheduler)
    assert [job.id for job in scheduler.get_jobs()] == ["theirs"], (
        "nothing before the first request"
    )
    wait_for_delivery(app, lambda: app.test_client().get("/1"))
    names = {job.name for job in scheduler.get_jobs()}
    assert names == {"theirs", "flask-chest:exporter"}
    chest.close()
    assert [job.id for job in scheduler.get_jobs()] == ["theirs"]
    assert scheduler.running
    assert numbers(app) == [1]
    scheduler.shutdown()


def test_flask_apscheduler(tmp_path: Path) -> None:
    """Flask-APScheduler's extension works as ``scheduler=``, and lists the job."""
    app = number_app(tmp_path, CHEST_EXPORT_INTERVAL=0.05)
    extension = APScheduler()
    extension.init_app(app)
    extension.start()
    chest = FlaskChest(app, scheduler=extension)
    wait_for_delivery(app, lambda: app.test_client().get("/1"))
    assert [job.name for job in extension.get_jobs()] == ["flask-chest:exporter"]
    chest.close()
    extension.shutdown()
    assert numbers(app) == [1]


def test_one_lent_scheduler_for_apps_of_one_name(tmp_path: Path) -> None:
    """Apps with the same name may share a scheduler; closing one does not affect the others."""
    scheduler = BackgroundScheduler()
    scheduler.start()
    chest = FlaskChest(scheduler=scheduler)
    apps = [number_app(tmp_path / str(n), CHEST_EXPORT_INTERVAL=0.05) for n in range(2)]
    for app in apps:
        chest.init_app(app)
        wait_for_delivery(app, lambda app=app: app.test_client().get("/1"))  # type: ignore[misc]
    with apps[0].app_context():
        chest.close()
    wait_for_delivery(apps[1], lambda: apps[1].test_client().get("/2"))
    assert numbers(apps[1]) == [1, 2]
    chest.close()
    scheduler.shutdown()


def test_a_lent_scheduler_that_is_not_started(tmp_path: Path) -> None:
    """With a scheduler that is not started, ``flush()`` and ``close()`` deliver."""
    scheduler = BackgroundScheduler()
    app = number_app(tmp_path)
    chest = FlaskChest(app, scheduler=scheduler)
    app.test_client().get("/1")
    assert chest.flush(60)
    app.test_client().get("/2")
    chest.close()
    assert numbers(app) == [1, 2]
    scheduler.start()
    assert scheduler.get_jobs() == []
    scheduler.shutdown()


def test_a_lent_scheduler_that_was_shut_down(tmp_path: Path) -> None:
    """If the app stops its scheduler first, ``flush()`` and ``close()`` still deliver."""
    scheduler = BackgroundScheduler()
    scheduler.start()
    app = number_app(tmp_path, CHEST_EXPORT_INTERVAL=60)
    chest = FlaskChest(app, scheduler=scheduler)
    app.test_client().get("/1")
    scheduler.shutdown()
    assert chest.flush(60)
    app.test_client().get("/2")
    chest.close()
    assert numbers(app) == [1, 2]


def test_importing_the_package_imports_no_driver(tmp_path: Path) -> None:
    """Importing ``flask_chest`` imports no driver, no SQLAlchemy and no APScheduler."""
    code = f"""
    import sys, threading
    import flask
    before = set(sys.modules)
    import flask_chest
    late = {(*DRIVERS, "sqlalchemy", "apscheduler")!r}
    print([name for name in late if name in set(sys.modules) - before])
    print(threading.active_count())
    """
    assert run(code, tmp_path) == "[]\n1\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif("COVERAGE_RUN" in os.environ, reason="measuring imports some of them")
def test_nothing_before_the_first_request(tmp_path: Path) -> None:
    """Before a request, an app with every kind of chest loads no driver and starts no thread."""
    code = f"""
    import sys, threading
    from pathlib import Path
    from flask import Flask, g
    import flask_chest
    here = Path.cwd()
    app = Flask(__name__, root_path=str(here), instance_path=str(here / "instance"))
    app.config["CHEST_CHESTS"] = ["sqlite:///chest.db", "https://127.0.0.1:1/hook"]
    for url in ("postgresql://u:p@127.0.0.1:1/db", "mysql://u:p@127.0.0.1:1/db",
                "mongodb://127.0.0.1:1/db", "influxdb://:token@127.0.0.1:1/org/bucket",
                "kafka://127.0.0.1:1/topic", "otlp+http://127.0.0.1:1",
                "redis://127.0.0.1:1/0", "clickhouse://u:p@127.0.0.1:1/db"):
        try:
            app.config["CHEST_CHESTS"].append(flask_chest.chests.factory.make_chest(url))
        except (flask_chest.errors.ConfigError, ModuleNotFoundError):
            pass  # its driver is not installed here
    chest = flask_chest.FlaskChest(app, rules=[{{"rule": "/", "chests": ["sqlite"]}}])
    app.add_url_rule("/", "home", lambda: "ok")
    drivers = {DRIVERS!r}
    def seen():
        modules = [name for name in drivers if name in sys.modules]
        return modules, threading.active_count() > 1, sorted(p.name for p in here.rglob("*"))
    print(*seen(), sep=";")
    app.test_client().get("/")
    assert chest.flush()
    modules, threads, files = seen()
    print(modules, threads, "chest.db" in files, sep=";")
    """
    first, second = run(code, tmp_path).splitlines()
    assert first == "[];False;[]"
    assert second == "['sqlite3'];True;True"


def test_delivery_at_exit(tmp_path: Path) -> None:
    """A process that ends delivers its records without a call of ``close()``."""
    code = """
    from flask import Flask, g
    from flask_chest import FlaskChest
    from pathlib import Path
    app = Flask(__name__, instance_path=str(Path.cwd()))
    app.config.update(CHEST_EXPORT_INTERVAL=60, CHEST_SHUTDOWN_TIMEOUT=60)
    FlaskChest(app)
    app.add_url_rule("/", "home", lambda: "ok")
    for _ in range(10):
        app.test_client().get("/")
    """
    run(code, tmp_path)
    with closing(sqlite3.connect(tmp_path / "chest.db")) as database:
        assert database.execute("select count(*) from chest_records").fetchone() == (10,)
    assert not list((tmp_path / "chest-journal").glob("*/writer.json")), "all was delivered"


def test_no_thread_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests are served, one warning is logged, and ``flush()`` delivers from the journal."""
    app = number_app(tmp_path)
    chest = FlaskChest(app)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for number in range(3):
            assert app.test_client().get(f"/{number}").status_code == 200
        assert chest.stats()["chests"]["memory"]["pending"] == 3
        [warning] = caplog.records
        assert "delivery cannot start, records wait: can't start new thread" in warning.message
        assert chest.flush()
        assert numbers(app) == [0, 1, 2]
    chest.close()


def test_stats_can_be_written_as_json(tmp_path: Path) -> None:
    """The ledger contains only values that JSON can express."""
    app = number_app(tmp_path)
    chest = FlaskChest(app)
    app.test_client().get("/1")
    assert json.loads(json.dumps(chest.stats())) == chest.stats()
    chest.close()


def test_flush_of_a_journal_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``flush()`` returns ``False``, and the records arrive later; a simulation of a new owner."""

    def refuse(*_: object) -> None:
        raise PermissionError("not yours any more")

    app = number_app(tmp_path, CHEST_BUFFER="disk")
    chest = FlaskChest(app)
    with monkeypatch.context() as patch:
        patch.setattr(Partition, "read", refuse)
        assert app.test_client().get("/1").status_code == 200
        assert chest.flush(5) is False
    assert chest.flush(30)
    assert chest.stats()["chests"]["memory"]["delivered"] == 1
    chest.close()
