"""``@flask_chest`` with chests, in apps with and without ``FlaskChest``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, abort, g, make_response, stream_with_context
from flask.views import MethodView

from flask_chest import Chest, FlaskChest, FlaskChestSQLite, Record, flask_chest
from flask_chest.app.state import STANDALONE_KEY, STATE_KEY, get_state
from flask_chest.chests.base import AppInfo
from flask_chest.chests.factory import make_chest
from flask_chest.chests.memory import MemoryChest
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.errors import ConfigError, DeliveryError

from .apps import Site, put


class FailingChest(Chest):
    """A chest that accepts no records."""

    error: Exception = DeliveryError("out of order")

    def write(self, records: Sequence[Record]) -> None:
        self.tried.set()
        raise self.error

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.tried = threading.Event()


class WaitingChest(MemoryChest):
    """A chest that sets an event when records arrive."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._news = threading.Condition()

    def write(self, records: Sequence[Record]) -> None:
        with self._news:
            super().write(records)
            self._news.notify_all()

    def wait_for(self, count: int) -> bool:
        with self._news:
            return self._news.wait_for(lambda: len(self.records) >= count, 60)


def put_three() -> str:
    g.a, g.b, g.c = 1, 2, 3
    return "done"


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Flask]:
    """An app without ``FlaskChest``."""
    app = Flask("plain", instance_path=str(tmp_path))
    app.config["CHEST_EXPORT_INTERVAL"] = 0.05
    yield app
    close_states(app)


def close_states(app: Flask) -> None:
    """Close all deliveries; otherwise they run, and log failures, during later tests."""
    for name in (STATE_KEY, STANDALONE_KEY):
        if state := app.extensions.get(name):
            state.close()


def app_of_kind(
    kind: str, plain: Flask, make_site: Callable[..., Site]
) -> tuple[Flask, list[Record]]:
    """Return an app with or without ``FlaskChest``, and the records of its ``FlaskChest``."""
    if kind == "plain":
        return plain, []
    site = make_site(CHEST_EXPORT_INTERVAL=0.05, CHEST_BUFFER="memory")
    store: list[Record] = []
    site.store.write = store.extend  # type: ignore[method-assign,assignment]
    return site.app, store


KINDS = pytest.mark.parametrize("kind", ["plain", "extended"])


@KINDS
def test_written_when_the_view_has_returned(
    kind: str, plain: Flask, make_site: Callable[..., Site]
) -> None:
    """The record is in the chest before the response, once, and in no other chest."""
    app, own = app_of_kind(kind, plain, make_site)
    chest = MemoryChest()
    seen: list[int] = []

    @app.after_request
    def look(response: Response) -> Response:
        seen.append(len(chest.records))
        return response

    @app.get("/items/<int:n>")
    @flask_chest([chest], ["b", "a"])
    def view(n: int) -> tuple[str, int]:
        return put_three(), 201

    assert app.test_client().get("/items/1").status_code == 201
    [record] = chest.records
    assert seen == [1]
    assert list(record.vars.items()) == [("b", 2), ("a", 1)]
    assert (record.kind, record.method, record.status) == ("request", "GET", 201)
    assert (record.route, record.endpoint) == ("/items/<int:n>", "view")
    assert record.duration_ms is not None
    flush(app)
    assert own == []


def flush(app: Flask) -> None:
    if "chest" in app.extensions:
        assert app.extensions["chest"].flush(60)


def test_positional_arguments(plain: Flask) -> None:
    """All four arguments may be positional."""
    chest = MemoryChest()
    view = flask_chest([chest], {"GET": ["a"]}, lambda: "the-id", True)(put_three)
    plain.add_url_rule("/", "view", view)
    plain.test_client().get("/")
    [record] = chest.records
    assert (record.vars, record.request_id) == ({"a": 1}, "the-id")


def test_several_chests(plain: Flask) -> None:
    """Each chest gets the same record."""
    chests = [MemoryChest(), MemoryChest()]
    plain.add_url_rule("/", "view", flask_chest(chests)(put_three))
    plain.test_client().get("/")
    assert chests[0].records == chests[1].records
    assert len(chests[0].records) == 1


def test_a_url(plain: Flask, tmp_path: Path) -> None:
    """A file chest made from a URL is in the app's instance folder."""
    own = make_chest("sqlite:///own.db")
    plain.add_url_rule("/", "view", flask_chest([own])(put_three))
    plain.test_client().get("/")
    own.close()
    reader = SQLReader(FlaskChestSQLite(path=str(tmp_path / "own.db")))
    [record] = reader.latest(10)
    reader.close()
    assert record.vars == {"a": 1, "b": 2, "c": 3}


def test_a_wrong_url() -> None:
    """A wrong chest raises an error at the decorator."""
    with pytest.raises(ConfigError, match="flask_chest"):
        flask_chest(["nosuchthing://host"])


@KINDS
def test_a_failing_chest_surfaces(kind: str, plain: Flask, make_site: Callable[..., Site]) -> None:
    """With ``raise_exceptions`` a failed write becomes the response's error."""
    app, own = app_of_kind(kind, plain, make_site)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.add_url_rule("/", "view", flask_chest([FailingChest()])(put_three))
    with pytest.raises(DeliveryError, match="out of order"):
        app.test_client().get("/")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert app.test_client().get("/").status_code == 500
    flush(app)
    assert own == []


@KINDS
def test_an_unknown_exception_of_a_chest_surfaces(
    kind: str, plain: Flask, make_site: Callable[..., Site]
) -> None:
    """With ``raise_exceptions`` any exception of a chest reaches the app."""
    app, _ = app_of_kind(kind, plain, make_site)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    chest = FailingChest()
    chest.error = ZeroDivisionError()
    app.add_url_rule("/", "view", flask_chest([chest])(put_three))
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/")


@KINDS
def test_the_views_own_exception_is_seen(
    kind: str, plain: Flask, make_site: Callable[..., Site]
) -> None:
    """A failing chest does not hide the view's exception, which is recorded."""
    app, own = app_of_kind(kind, plain, make_site)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    good = MemoryChest()

    @app.get("/<place>")
    @flask_chest([FailingChest(), good])
    def view(place: str) -> str:
        put_three()
        raise LookupError

    with pytest.raises(LookupError):
        app.test_client().get("/x")
    [record] = good.records
    assert (record.status, record.error) == (500, "LookupError")
    assert record.vars == {"a": 1, "b": 2, "c": 3}
    flush(app)
    assert own == []


@KINDS
def test_system_exit(kind: str, plain: Flask, make_site: Callable[..., Site]) -> None:
    """``SystemExit`` in the view passes through, and the record goes to the view's chests."""
    app, own = app_of_kind(kind, plain, make_site)
    chest = MemoryChest()

    @app.get("/")
    @flask_chest([chest])
    def view() -> str:
        put_three()
        raise SystemExit

    with pytest.raises(SystemExit):
        app.test_client().get("/")
    [record] = chest.records
    assert (record.status, record.error) == (None, "SystemExit")
    flush(app)
    assert own == []


@KINDS
def test_in_the_background(kind: str, plain: Flask, make_site: Callable[..., Site]) -> None:
    """Without ``raise_exceptions`` the record is delivered once, after the response."""
    app, own = app_of_kind(kind, plain, make_site)
    chest = WaitingChest()
    app.add_url_rule("/", "view", flask_chest([chest], ["a"], raise_exceptions=False)(put_three))
    client = app.test_client()
    for _ in range(5):
        assert client.get("/").text == "done"
    assert chest.wait_for(5)
    assert [record.vars for record in chest.records] == [{"a": 1}] * 5
    flush(app)
    assert own == []


@KINDS
def test_a_failing_chest_in_the_background(
    kind: str, plain: Flask, make_site: Callable[..., Site]
) -> None:
    """Without ``raise_exceptions`` a failing chest does not disturb the response."""
    app, own = app_of_kind(kind, plain, make_site)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    chest = FailingChest()
    app.add_url_rule("/", "view", flask_chest([chest], raise_exceptions=False)(put_three))
    for _ in range(3):
        assert app.test_client().get("/").text == "done"
    assert chest.tried.wait(60)
    close_states(app)
    assert own == []


def test_a_failing_chest_without_a_buffer(site: Site) -> None:
    """``raise_exceptions=False`` also protects the response if the app has no buffer."""
    view = flask_chest([FailingChest()], raise_exceptions=False)(put_three)
    site.app.add_url_rule("/", "view", view)
    site.app.config["PROPAGATE_EXCEPTIONS"] = True
    assert site.app.test_client().get("/").text == "done"


def test_a_name_that_is_taken(make_site: Callable[..., Site]) -> None:
    """A decorator's chest with the name of an app's chest gets its records under another name."""
    site = make_site(CHEST_BUFFER="memory")
    other = MemoryChest(name="memory")
    third = MemoryChest(name="memory")
    for path, chest in (("/other", other), ("/third", third)):
        view = flask_chest([chest], raise_exceptions=False)(put_three)
        site.app.add_url_rule(path, path.strip("/"), view)
    for path in ("/other", "/third"):
        site.client.get(path)
    assert site.chest.flush(10)
    assert [record.route for record in other.records] == ["/other"]
    assert [record.route for record in third.records] == ["/third"]
    assert site.store.records == []
    # The journal stores records under chest names: only new chests get another name.
    assert (site.store.name, other.name, third.name) == ("memory", "memory-2", "memory-3")


@pytest.mark.parametrize("buffer", ["memory", "disk", "none"])
def test_attaching_keeps_the_ledger(make_site: Callable[..., Site], buffer: str) -> None:
    """The first request attaches all chests, even a request without a route."""
    site = make_site(CHEST_BUFFER=buffer)
    view = flask_chest([MemoryChest()], raise_exceptions=False)(put_three)
    site.app.add_url_rule("/other", "other", view)
    for path in ("/nothing", "/other"):
        site.client.get(path)
    assert site.chest.flush(10)
    assert site.chest.stats()["chests"]["memory"]["delivered"] == 1


@KINDS
def test_names_are_the_same_in_every_process(
    kind: str, plain: Flask, make_site: Callable[..., Site]
) -> None:
    """The names of decorators' chests do not depend on which view serves the first request."""
    app, _ = app_of_kind(kind, plain, make_site)
    chests = [MemoryChest(name="m") for _ in range(3)]
    for number, chest in enumerate(chests):
        view = flask_chest([chest], raise_exceptions=False)(put_three)
        app.add_url_rule(f"/{number}", f"view-{number}", view)
    app.test_client().get("/2")
    assert [chest.name for chest in chests] == ["m", "m-2", "m-3"]


def test_too_many_chests(make_site: Callable[..., Site], caplog: pytest.LogCaptureFixture) -> None:
    """Chests beyond the limit are logged once; responses and all other records are complete."""
    site = make_site(CHEST_BUFFER="disk")
    chests = [MemoryChest() for _ in range(33)]
    for number, chest in enumerate(chests):
        view = flask_chest([chest], raise_exceptions=False)(lambda: put("n", 1, "done"))
        site.app.add_url_rule(f"/{number}", f"view-{number}", view)
    site.app.add_url_rule("/", "home", lambda: "home")
    client = site.client
    for path in (*range(33), "", 32):
        assert client.get(f"/{path}").status_code == 200
    assert site.chest.flush(10)
    assert [len(chest.records) for chest in chests] == [1] * 31 + [0, 0]
    assert [record.route for record in site.store.records] == ["/"]
    accounts = site.chest.stats()["chests"].values()
    assert (sum(each["delivered"] for each in accounts), len(accounts)) == (32, 32)
    told = [record for record in caplog.records if record.exc_info]
    assert "decorators can share chests" in caplog.text
    assert len(told) == 1


def test_chests_are_attached_once(make_site: Callable[..., Site]) -> None:
    """Two first requests at once attach a decorator's chest only once."""
    site = make_site(CHEST_BUFFER="memory")
    entered = threading.Barrier(2)

    class Slow(MemoryChest):
        def bind(self, app_info: AppInfo) -> None:
            super().bind(app_info)
            with suppress(threading.BrokenBarrierError):
                entered.wait(0.2)  # this times out if one thread waits for the other

    slow = Slow()
    state = get_state(site.app)
    threads = [threading.Thread(target=state.attach_chests, args=([slow],)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state.chests == [site.store, slow]


def test_other_views_keep_the_apps_chests(make_site: Callable[..., Site]) -> None:
    """Only the records of the decorated view go to its chests."""
    site = make_site(CHEST_BUFFER="memory")
    now, later = MemoryChest(), MemoryChest()
    site.app.add_url_rule("/now", "now", flask_chest([now])(put_three))
    site.app.add_url_rule(
        "/later", "later", flask_chest([later], raise_exceptions=False)(put_three)
    )
    site.app.add_url_rule("/", "home", put_three)
    for path in ("/", "/now", "/later", "/"):
        site.client.get(path)
    assert site.chest.flush(60)
    assert [record.route for record in now.records] == ["/now"]
    assert [record.route for record in later.records] == ["/later"]
    assert [record.route for record in site.store.records] == ["/", "/"]


@KINDS
@pytest.mark.parametrize("ends", ["well", "badly"])
def test_one_request_id(kind: str, ends: str, plain: Flask, make_site: Callable[..., Site]) -> None:
    """The generator is called once per request, and the response sends the record's id back."""
    app, _ = app_of_kind(kind, plain, make_site)
    calls: list[int] = []
    chest = MemoryChest()

    def generate() -> str:
        calls.append(1)
        return f"id-{len(calls)}"

    @app.get("/")
    @flask_chest([chest], request_id_generator=generate)
    def view() -> str:
        if ends == "badly":
            raise LookupError
        return "done"

    app.config["PROPAGATE_EXCEPTIONS"] = False
    response = app.test_client().get("/")
    [record] = chest.records
    assert record.request_id == "id-1"
    assert len(calls) == 1
    if kind == "extended":
        assert response.headers["X-Request-ID"] == "id-1"


@KINDS
def test_a_header_without_a_generator(
    kind: str, plain: Flask, make_site: Callable[..., Site]
) -> None:
    """Without a generator, the caller's id or the record's own id is used."""
    app, _ = app_of_kind(kind, plain, make_site)
    chest = MemoryChest()
    app.add_url_rule("/", "view", flask_chest([chest])(put_three))
    client = app.test_client()
    client.get("/", headers={"X-Request-ID": "given"})
    client.get("/", headers={"X-Request-ID": "not good"})
    first, second = chest.records
    assert (first.request_id, second.request_id) == ("given", second.id)


@KINDS
def test_async_views(kind: str, plain: Flask, make_site: Callable[..., Site]) -> None:
    """An ``async def`` view is recorded when it has returned or raised."""
    app, _ = app_of_kind(kind, plain, make_site)
    chest = MemoryChest()

    @app.get("/<ends>")
    @flask_chest([chest])
    async def view(ends: str) -> str:
        g.ends = ends
        if ends == "badly":
            raise LookupError
        return "done"

    app.config["PROPAGATE_EXCEPTIONS"] = False
    for ends in ("well", "badly"):
        app.test_client().get(f"/{ends}")
    assert [(record.vars, record.status, record.error) for record in chest.records] == [
        ({"ends": "well"}, 200, None),
        ({"ends": "badly"}, 500, "LookupError"),
    ]


@KINDS
def test_method_views(kind: str, plain: Flask, make_site: Callable[..., Site]) -> None:
    """A whole ``MethodView`` and a single method are recorded like any view."""
    app, own = app_of_kind(kind, plain, make_site)
    whole, single = MemoryChest(), MemoryChest()

    class Whole(MethodView):
        decorators = [flask_chest([whole], ["a"])]

        def get(self) -> str:
            return put_three()

    class Single(MethodView):
        @flask_chest([single], ["b"])
        def get(self) -> str:
            return put_three()

    app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
    app.add_url_rule("/single", view_func=Single.as_view("single"))
    app.test_client().get("/whole")
    app.test_client().get("/single")
    assert [record.vars for record in whole.records] == [{"a": 1}]
    assert [record.vars for record in single.records] == [{"b": 2}]
    flush(app)
    assert own == []


STATUSES: list[tuple[Callable[[], Any], int | None]] = [
    (lambda: "x", 200),
    (lambda: {"a": 1}, 200),
    (lambda: ("x", 404), 404),
    (lambda: ("x", "404 Not Found"), 404),
    (lambda: ("x", {"X-A": "b"}), 200),
    (lambda: ("x", [("X-A", "b")]), 200),
    (lambda: ("x", 201, {"X-A": "b"}), 201),
    (lambda: (make_response("x", 418), {"X-A": "b"}), 418),
    (lambda: make_response("x", 418), 418),
    (lambda: ("x", "just words"), None),
    (lambda: abort(403), 403),
    (lambda: abort(make_response("x", 418)), 418),
]


def test_an_invalid_return_value(plain: Flask) -> None:
    """Flask reports a view's invalid return value in its usual way."""
    plain.config["PROPAGATE_EXCEPTIONS"] = True
    nothing: Any = ()
    plain.add_url_rule("/", "view", flask_chest([MemoryChest()])(lambda: nothing))
    with pytest.raises(TypeError, match="valid response"):
        plain.test_client().get("/")


@pytest.mark.parametrize(("answer", "status"), STATUSES)
def test_the_status(plain: Flask, answer: Callable[[], Any], status: int | None) -> None:
    """The status comes from the view's return value or its ``abort()``."""
    chest = MemoryChest()
    plain.add_url_rule("/", "view", flask_chest([chest])(lambda: answer()))
    response = plain.test_client().get("/")
    [record] = chest.records
    assert (record.status, record.error) == (status, None)
    assert status in {None, response.status_code}


@KINDS
def test_a_stream(kind: str, plain: Flask, make_site: Callable[..., Site]) -> None:
    """A streaming view is recorded once, when it has returned."""
    app, own = app_of_kind(kind, plain, make_site)
    chest = MemoryChest()

    @app.get("/")
    @flask_chest([chest])
    def view() -> Response:
        g.a = 1
        return Response(stream_with_context(setattr(g, "late", 1) or "x" for _ in range(3)))  # type: ignore[func-returns-value]

    assert app.test_client().get("/").text == "xxx"
    [record] = chest.records
    assert record.vars == {"a": 1}
    flush(app)
    assert own == []


@KINDS
def test_a_client_that_keeps_the_context(
    kind: str, plain: Flask, make_site: Callable[..., Site]
) -> None:
    """With ``with client:`` the view's record is the only one; no job is recorded."""
    app, own = app_of_kind(kind, plain, make_site)
    chest = MemoryChest()
    app.add_url_rule("/", "view", flask_chest([chest])(put_three))
    with app.test_client() as client:
        client.get("/")
        client.get("/")
    assert len(chest.records) == 2
    flush(app)
    assert own == []


def test_rules_apply_to_sampling(make_site: Callable[..., Site]) -> None:
    """Rules for ``sample`` and ``record`` apply to a decorated view."""
    site = make_site(CHEST_RULES=[{"rule": "/", "record": False}])
    chest = MemoryChest()
    site.app.add_url_rule("/", "view", flask_chest([chest])(put_three))
    site.client.get("/")
    assert chest.records == site.records == []


def test_a_disabled_app(tmp_path: Path) -> None:
    """With ``CHEST_ENABLED=False`` the decorator does nothing."""
    app = Flask("off", instance_path=str(tmp_path))
    app.config["CHEST_ENABLED"] = False
    FlaskChest(app)
    now, later = MemoryChest(), MemoryChest()
    app.add_url_rule("/now", "now", flask_chest([now])(put_three))
    app.add_url_rule("/later", "later", flask_chest([later], raise_exceptions=False)(put_three))
    for path in ("/now", "/later"):
        assert app.test_client().get(path).text == "done"
    assert now.records == later.records == []
    assert list(tmp_path.iterdir()) == []


def test_values_that_cannot_be_stored(plain: Flask) -> None:
    """A view that puts hostile values on ``g`` is answered and recorded."""
    from .record import hostile

    chest = MemoryChest()

    @plain.get("/")
    @flask_chest([chest])
    def view() -> str:
        g.a, g.b, g.c = 1, hostile.Anything(), "x" * 1_000_000
        return "done"

    assert plain.test_client().get("/").text == "done"
    assert chest.records[0].vars["a"] == 1
