"""The further facts that ``CHEST_FACTS`` switches on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, g, request, send_file, session
from sqlalchemy import create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from werkzeug.routing import BaseConverter

from flask_chest import flask_chest
from flask_chest.app.state import get_state
from flask_chest.chests.memory import MemoryChest
from flask_chest.config.fact_names import FACTS
from flask_chest.config.settings_validation import read_settings

from ..apps import Site, make_app, put

# Some extensions put their user on g by a public name.
_ONLY_FACTS: dict[str, Any] = {"CHEST_TRACKED_VARS": []}


@contextmanager
def recorded(folder: Path, *names: str, **config: Any) -> Iterator[Site]:
    """Yield an app with a few routes that records the given facts."""
    site = Site(folder, CHEST_FACTS=list(names), SECRET_KEY="secret", **config)
    site.app.add_url_rule("/", "index", lambda: "index", methods=["GET", "POST"])
    site.app.add_url_rule("/items/<int:item>/<token>", "item", lambda item, token: "an item")
    site.app.add_url_rule("/named/<path:name>", "named", lambda name: "named")
    with site.recording():
        yield site


def test_no_facts_by_default(site: Site) -> None:
    """Without ``CHEST_FACTS`` nothing is collected, and the fast path is in use."""
    site.app.add_url_rule("/<name>", "view", lambda name: put("seen", 1, "ok"))
    headers = {"X-Request-Start": f"t={time.time()}"}
    for _ in range(3):
        site.client.get("/ann?page=2", headers=headers)
        assert site.take().vars == {"seen": 1}
    recorder = get_state(site.app).recorder
    assert recorder.facts is None
    [encoding] = recorder.plans.known.values()
    assert encoding.fast_path_args is not None


def test_view_args(tmp_path: Path) -> None:
    """The arguments of the route are variables; names that look secret are redacted."""
    with recorded(tmp_path, "view_args") as site:
        site.client.get("/items/7/abc")
        assert site.take().vars == {"item": 7, "token": "[REDACTED]"}
        site.client.get("/nowhere")
        assert site.take().vars == {}


def test_a_long_view_argument(tmp_path: Path) -> None:
    """A path argument above the size limit is cut and marked."""
    with recorded(tmp_path, "view_args") as site:
        assert site.client.get(f"/named/{'a' * 8300}").status_code == 200
        assert site.only().vars == {"name": "a" * 8192 + "…[cut]"}


def test_query(tmp_path: Path) -> None:
    """Only allowed parameters are recorded, and none whose name looks secret."""
    allowed = ["page", "token", "email", "missing"]
    with recorded(
        tmp_path, "query", CHEST_QUERY_NAMES=allowed, CHEST_REDACT=["token", "email"]
    ) as site:
        site.client.get("/?page=2&page=3&q=boots&token=abc&email=a@b.example")
        assert site.only().vars == {
            "query.page": "2",
            "query.token": "[REDACTED]",
            "query.email": "[REDACTED]",
        }


def test_path(tmp_path: Path) -> None:
    """Only a request without a route has its path, cut, and without the query."""
    with recorded(tmp_path, "path") as site:
        site.client.get("/")
        assert site.take().vars == {}
        site.client.get("/wp-login.php?user=ann")
        assert site.take().vars == {"path": "/wp-login.php"}
        site.client.get("/" + "a" * 500)
        assert site.take().vars == {"path": "/" + "a" * 254}


def test_cpu_time(tmp_path: Path) -> None:
    """The CPU time of the request is measured, and waiting does not count."""
    with recorded(tmp_path, "cpu_ms") as site:

        @site.app.get("/busy")
        def busy() -> str:
            end = time.thread_time() + 0.02
            while time.thread_time() < end:
                pass
            return "busy"

        site.client.get("/busy")
        record = site.take()
        cpu: Any = record.vars["cpu_ms"]
        assert record.duration_ms is not None
        assert 20 <= cpu <= record.duration_ms + 5


@pytest.mark.parametrize("form", ["{0:.3f}", "t={0:.3f}", "{1:d}", "t={2:d}", "{3:d}", " t={1:d} "])
def test_queue_time(tmp_path: Path, form: str) -> None:
    """The header may have any unit from seconds to nanoseconds, with or without ``t=``."""
    with recorded(tmp_path, "queue_ms") as site:
        sent = time.time() - 2
        header = form.format(sent, int(sent * 1e3), int(sent * 1e6), int(sent * 1e9))
        site.client.get("/", headers={"X-Request-Start": header})
        queued: Any = site.only().vars["queue_ms"]
        assert 1998 <= queued < 60_000


@pytest.mark.parametrize(
    "header",
    ["", "t=", "soon", "-5", "nan", "inf", "1e9", "0", "9" * 400, "t=1,5", "٣", "4102444800"],
)
def test_odd_queue_headers(tmp_path: Path, header: str) -> None:
    """A header that is no time, or one that cannot be true, leaves no value."""
    with recorded(tmp_path, "queue_ms") as site:
        environ = {"HTTP_X_REQUEST_START": header}
        assert site.client.get("/", environ_overrides=environ).status_code == 200
        assert site.only().vars == {}


def test_a_proxy_whose_clock_is_ahead(tmp_path: Path) -> None:
    """A difference of the clocks below a second counts as no wait."""
    with recorded(tmp_path, "queue_ms") as site:
        site.client.get("/", headers={"X-Request-Start": str(time.time() + 0.5)})
        assert site.only().vars == {"queue_ms": 0.0}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {"request_bytes": 0}),
        ({"CONTENT_LENGTH": "12"}, {"request_bytes": 12}),
        ({"CONTENT_LENGTH": "many"}, {}),
        ({"CONTENT_LENGTH": "-1"}, {}),
        ({"CONTENT_LENGTH": "9" * 400}, {}),
        ({"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}, {}),
    ],
)
def test_request_bytes(
    tmp_path: Path, environ: dict[str, str], expected: dict[str, object]
) -> None:
    """The size of the body is what the client announced, if it is a number."""
    with recorded(tmp_path, "request_bytes") as site:
        site.client.get("/", environ_overrides=environ)
        assert site.only().vars == expected


def test_an_environment_with_numbers(tmp_path: Path) -> None:
    """Some test clients put numbers where WSGI asks for texts."""
    with recorded(tmp_path, "request_bytes", "queue_ms") as site:
        environ = {"CONTENT_LENGTH": 5, "HTTP_X_REQUEST_START": int(time.time())}
        assert site.client.get("/", environ_overrides=environ).status_code == 200
        assert site.only().vars.keys() == {"request_bytes", "queue_ms"}


@pytest.mark.parametrize(
    ("value", "expected"), [("all", FACTS), ('["user", "path"]', ("user", "path"))]
)
def test_the_environment_of_the_process(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: tuple[str, ...]
) -> None:
    """Environment variables can set the facts."""
    monkeypatch.setenv("FLASK_CHEST_FACTS", value)
    app = Flask(__name__)
    app.config.from_prefixed_env()
    assert read_settings(app.config).facts == expected


def test_response_bytes(tmp_path: Path) -> None:
    """The size of the response is known for lists, files and streams; ``HEAD`` sends none."""
    with recorded(tmp_path, "response_bytes") as site:
        file = tmp_path / "file.txt"
        file.write_bytes(b"x" * 1000)
        views: dict[str, Any] = {
            "/text": lambda: "äb",
            "/empty": lambda: ("", 204),
            "/file": lambda: send_file(file),
            "/stream": lambda: Response(iter([b"ab", b"cde"])),
            "/failed": lambda: abort(404, "gone"),
        }
        for path, view in views.items():
            site.app.add_url_rule(path, path, view)
        client, sizes = site.client, {}
        for path in views:
            with client.get(path) as response:
                length = len(response.data)
            sizes[path] = length, site.take().vars["response_bytes"]
        assert all(sent == measured for sent, measured in sizes.values()), sizes
        assert sizes["/file"] == (1000, 1000)
        client.head("/text")
        assert site.take().vars == {"response_bytes": 0}


def test_a_stream_that_the_client_leaves(tmp_path: Path) -> None:
    """Only the bytes that the server has taken count."""
    with recorded(tmp_path, "response_bytes", "view_args") as site:

        @site.app.get("/stream/<name>")
        def stream(name: str) -> Response:
            return Response(iter([b"abc"] * 10))

        response = site.client.get("/stream/ann", buffered=False)
        next(iter(response.response))
        response.close()
        assert site.only().vars == {"name": "ann", "response_bytes": 3}


def test_a_job(tmp_path: Path) -> None:
    """A job has the name of its thread; without tracked variables it leaves no record."""
    with recorded(tmp_path, "thread", "user", "cpu_ms", "path") as site:

        def job(done: int | None) -> None:
            with site.app.app_context():
                if done is not None:
                    g.done = done

        for done in (None, 3):
            thread = threading.Thread(target=job, args=[done], name="nightly")
            thread.start()
            thread.join()
        record = site.only()
        assert (record.kind, record.vars) == ("job", {"thread": "nightly", "done": 3})


def test_values_of_the_view_win(tmp_path: Path) -> None:
    """A tracked variable on ``g`` replaces the fact of its name."""
    with recorded(tmp_path, "view_args") as site:
        site.app.add_url_rule("/x/<name>", "x", lambda name: put("name", "theirs", "ok"))
        site.client.get("/x/ann")
        assert site.take().vars == {"name": "theirs"}


def test_rules(tmp_path: Path) -> None:
    """``track`` does not select facts; ``record: False`` leaves no record."""
    rules = [{"rule": "/named/*", "track": []}, {"rule": "/items/*", "record": False}]
    with recorded(tmp_path, "view_args", CHEST_RULES=rules) as site:
        site.client.get("/items/7/abc")
        assert site.records == []
        site.client.get("/named/ann")
        assert site.only().vars == {"name": "ann"}


def test_errors_keep_their_facts(tmp_path: Path) -> None:
    """The record of a request that fails has the facts, too."""
    with recorded(tmp_path, "view_args", "request_bytes", "response_bytes") as site:
        site.app.add_url_rule("/bad/<name>", "bad", lambda name: str(1 / 0))
        length = len(site.client.get("/bad/ann").data)
        record = site.take()
        assert record.error == "ZeroDivisionError"
        assert record.vars == {"name": "ann", "request_bytes": 0, "response_bytes": length}
        site.app.config["PROPAGATE_EXCEPTIONS"] = True
        with pytest.raises(ZeroDivisionError):
            site.app.test_client().get("/bad/ann")
        assert site.take().vars == {"name": "ann", "request_bytes": 0}


def test_a_decorated_view(tmp_path: Path) -> None:
    """A view that writes its own record at once has the facts, too."""
    app, store = Flask("standalone"), MemoryChest()
    app.config["CHEST_FACTS"] = ["view_args", "request_bytes"]
    app.add_url_rule("/<name>", view_func=flask_chest([store])(view_of_a_name))
    app.test_client().get("/ann")
    [record] = store.records
    assert record.vars == {"name": "ann", "request_bytes": 0}


def view_of_a_name(name: str) -> str:
    return name


def test_an_argument_that_is_no_plain_value(tmp_path: Path) -> None:
    """A converter may make an object that JSON could not carry. It is left out."""

    class Thing(BaseConverter):
        def to_python(self, value: str) -> object:
            return object()

    with recorded(tmp_path, "view_args") as site:
        site.app.url_map.converters["thing"] = Thing
        site.app.add_url_rule("/things/<thing:it>/<name>", "t", lambda it, name: "ok")
        assert site.client.get("/things/1/ann").status_code == 200
        assert site.only().vars == {"name": "ann"}


def test_flask_login(tmp_path: Path) -> None:
    """The id of the user is recorded if the request has loaded the user, and never loads it."""
    flask_login = pytest.importorskip("flask_login")
    loads = []

    class User(flask_login.UserMixin):  # type: ignore[misc, name-defined]
        id = "42"

    with recorded(tmp_path, "user") as site:
        manager = flask_login.LoginManager(site.app)

        @manager.user_loader  # type: ignore[untyped-decorator]
        def load(user_id: str) -> User:
            loads.append(user_id)
            if len(loads) > 1:
                raise RuntimeError("the database is gone")
            return User()

        def login() -> str:
            flask_login.login_user(User())
            return "in"

        site.app.add_url_rule("/login", "login", login)
        site.app.add_url_rule("/me", "me", lambda: str(flask_login.current_user.is_anonymous))
        client = site.client
        assert client.get("/me").text == "True"
        assert site.take().vars == {}
        client.get("/login")
        assert site.take().vars == {"user_id": "42"}
        client.get("/me")
        assert site.take().vars == {"user_id": "42"}
        assert client.get("/").status_code == 200
        assert (site.take().vars, loads) == ({}, ["42"])
        assert client.get("/me").status_code == 500
        assert site.take().vars == {}


class Base(DeclarativeBase):
    pass


class Account(Base):
    """A user of SQLAlchemy; ``get_id()`` reads a column."""

    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)

    def get_id(self) -> str:
        """Return the id as Flask-Login stores it."""
        return str(self.id)


class PlainAccount(Base):
    """A user of SQLAlchemy that knows nothing of Flask-Login."""

    __tablename__ = "plain_accounts"
    id: Mapped[int] = mapped_column(primary_key=True)


def test_an_expired_user_is_not_loaded_again(tmp_path: Path) -> None:
    """After a commit, the id of the user is read without a query."""
    engine = create_engine("sqlite://")
    statements: list[str] = []
    Base.metadata.create_all(engine)
    with recorded(tmp_path, "user", **_ONLY_FACTS) as site, Session(engine) as database:
        database.add_all([Account(id=7), PlainAccount(id=7)])
        database.commit()

        def view(name: str) -> str:
            user = database.get(PlainAccount if request.path == "/plain" else Account, 7)
            setattr(g, name, user)
            if request.path == "/login":
                session["_user_id"] = "7"
            else:
                session.clear()
            if "commit" in request.args:
                database.commit()
            statements.clear()
            return "ok"

        event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
        for path, name in (
            ("/login", "_login_user"),
            ("/header", "_login_user"),
            ("/http", "flask_httpauth_user"),
            ("/plain", "flask_httpauth_user"),
        ):
            site.app.add_url_rule(path, path, view, defaults={"name": name})
        for url, expected in (
            ("/login", "7"),
            ("/login?commit", "7"),
            ("/http", "7"),
            ("/http?commit", "7"),
            ("/header?commit", "7"),
            ("/plain", 7),
            ("/plain?commit", 7),
        ):
            site.client.get(url)
            assert (url, site.take().vars, statements) == (url, {"user_id": expected}, [])
    engine.dispose()


def test_flask_httpauth(tmp_path: Path) -> None:
    """The user of Flask-HTTPAuth is the name, or what the app's function has returned."""
    auth = pytest.importorskip("flask_httpauth").HTTPBasicAuth()
    users: dict[str, Any] = {"ann": "ann", "bob": {"id": 5}, "cleo": True}
    auth.verify_password(lambda name, password: users.get(name))
    with recorded(tmp_path, "user", **_ONLY_FACTS) as site:
        site.app.add_url_rule("/me", "me", auth.login_required(lambda: "me"))
        for name, expected in (("ann", "ann"), ("bob", 5), ("cleo", "cleo")):
            assert site.client.get("/me", auth=(name, "x")).text == "me"
            assert site.take().vars == {"user_id": expected}
        assert site.client.get("/me", auth=("eve", "x")).status_code == 401
        assert site.take().vars == {}


def test_flask_jwt_extended(tmp_path: Path) -> None:
    """The user of Flask-JWT-Extended is the token's identity; the token is not recorded."""
    jwt = pytest.importorskip("flask_jwt_extended")
    with recorded(tmp_path, "user", JWT_SECRET_KEY="k" * 40) as site:
        jwt.JWTManager(site.app)
        site.app.add_url_rule("/me", "me", jwt.jwt_required(optional=True)(lambda: "me"))
        with site.app.app_context():
            token = jwt.create_access_token("ann")
        site.client.get("/me", headers={"Authorization": f"Bearer {token}"})
        assert site.take().vars == {"user_id": "ann"}
        assert site.client.get("/me").text == "me"
        assert site.take().vars == {}


class Raising:
    """A user each of whose attributes raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


UNKNOWN = {
    "raising": Raising(),
    "object": object(),
    "bytes": b"secret",
    "boolean": True,
    "without an id": {"name": "ann"},
    "empty": "",
}


@pytest.mark.parametrize("kind", UNKNOWN)
@pytest.mark.parametrize(
    "name", ["_login_user", "flask_httpauth_user", "_jwt_extended_jwt", "_jwt_extended_jwt_user"]
)
def test_users_without_an_id(tmp_path: Path, name: str, kind: str) -> None:
    """A user whose id cannot be read leaves no value, and the request does not notice."""
    with recorded(tmp_path, "user", **_ONLY_FACTS) as site:
        site.app.add_url_rule("/odd", "odd", lambda: put(name, UNKNOWN[kind], "ok"))
        assert site.client.get("/odd").text == "ok"
        assert site.only().vars == {}


def test_the_journal(tmp_path: Path) -> None:
    """With the default buffer the facts are stored, in each request of a route."""
    app = make_app(
        tmp_path, CHEST_CHESTS=["memory://"], CHEST_FACTS="all", CHEST_QUERY_NAMES=["page"]
    )
    app.add_url_rule("/<name>", "view", view_of_a_name)
    for _ in range(2):
        app.test_client().get("/ann?page=1")
    state = get_state(app)
    assert state.delivery.flush(10)
    store: Any = state.chests[0]
    for record in store.records:
        facts = dict(record.vars)
        assert facts.pop("cpu_ms") >= 0
        assert facts == {"name": "ann", "query.page": "1", "request_bytes": 0, "response_bytes": 3}
    state.close()
