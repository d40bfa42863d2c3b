"""Tests an app with both a Dockerflow and a FlaskChest."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from flask_chest import FlaskChest, flask_chest
from flask_chest.app.state import get_state
from flask_chest.chests.base import Chest
from flask_chest.chests.memory import MemoryChest
from flask_chest.delivery.journal.scope import JournalScope
from flask_chest.delivery.journal.totals import add_to_totals
from flask_chest.delivery.ledger import Ledger
from flask_chest.dockerflow import Dockerflow
from flask_chest.dockerflow.chest_check import RecentLosses
from flask_chest.errors import ConfigError, DeliveryError
from flask_chest.record.record import Record
from flask_chest.testing import capture_records

from .conftest import Lines, summaries


class Moody(Chest):
    """A chest that may be unreachable, or hang."""

    scheme = "moody"

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.away = False
        self.answers = threading.Event()
        self.answers.set()

    def check(self) -> None:
        self.answers.wait()
        if self.away:
            raise DeliveryError("connection refused")

    def write(self, records: Sequence[Record]) -> None:
        self.check()


@pytest.fixture
def moody() -> Iterator[Moody]:
    chest = Moody()
    yield chest
    chest.answers.set()


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    package = tmp_path / "shop"
    package.mkdir()
    app = Flask("shop", root_path=str(package), instance_path=str(tmp_path / "instance"))
    app.config.update(TESTING=True, CHEST_CHESTS=[MemoryChest()], CHEST_BUFFER="memory")
    # However busy the machine is, a check that is not to be late is not.
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = 60

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        g.user_id = number
        g.lines = [{"sku": "a"}]
        g.path = "/secret"
        g.password = "hunter2"
        return ""

    @app.get("/broken")
    def broken() -> str:
        g.user_id = 8
        raise ValueError

    yield app
    if "chest" in app.extensions:
        app.extensions["chest"].close()


@pytest.fixture(params=["chest first", "Dockerflow first"])
def both(app: Flask, request: pytest.FixtureRequest) -> Flask:
    makers = [FlaskChest, Dockerflow]
    for make in makers if request.param == "chest first" else reversed(makers):
        make(app)
    return app


def test_one_request_id(both: Flask, lines: Lines) -> None:
    """Record, log, ``g`` and response header have the same id, generated or from the caller."""
    client = both.test_client()
    for headers in ({}, {"X-Request-ID": "given-1"}, {"X-Request-ID": "not usable\x07"}):
        with capture_records(both) as records:
            response = client.get("/orders/7", headers=headers)
        (record,) = records
        (fields,) = summaries(lines())
        assert record.request_id == fields["rid"] == response.headers["X-Request-ID"]
        assert (record.request_id == "given-1") == (headers == {"X-Request-ID": "given-1"})
        assert "request_id" not in record.vars


def test_a_generator_of_the_app(app: Flask, lines: Lines) -> None:
    """The log has the ids of FlaskChest's own generator."""
    FlaskChest(app, request_id_generator=lambda: "made-here")
    Dockerflow(app)
    assert app.test_client().get("/orders/7").headers["X-Request-ID"] == "made-here"
    assert summaries(lines())[0]["rid"] == "made-here"


def test_a_generator_of_the_view(app: Flask, lines: Lines) -> None:
    """The log has the ids of a decorator's generator, which is called once a request."""
    made: list[str] = []
    seen: list[str] = []

    def generate() -> str:
        made.append(f"made-{len(made)}")
        return made[-1]

    @app.get("/named")
    @flask_chest(request_id_generator=generate)
    def named() -> str:
        seen.append(g.request_id)
        return ""

    FlaskChest(app)
    Dockerflow(app)
    with capture_records(app) as records:
        response = app.test_client().get("/named", headers={"X-Request-ID": "given"})
    (fields,) = summaries(lines())
    ids = {records[0].request_id, fields["rid"], response.headers["X-Request-ID"], *seen, *made}
    assert ids == {"made-0"}


def test_tracked_variables(both: Flask, lines: Lines) -> None:
    """The summary has the tracked variables, redacted and flat; none overwrites a field."""
    both.test_client().get("/orders/7")
    (fields,) = summaries(lines())
    assert fields["user_id"] == 7
    assert fields["lines"] == '[{"sku":"a"}]'
    assert (fields["path"], fields["var_path"]) == ("/orders/7", "/secret")
    assert fields["password"] == "[REDACTED]"
    assert "request_id" not in fields


def test_tracked_variables_of_a_failing_request(both: Flask, lines: Lines) -> None:
    """The summary of a failing request has its variables too."""
    both.config["PROPAGATE_EXCEPTIONS"] = False
    both.test_client().get("/broken")
    (fields,) = summaries(lines())
    assert (fields["user_id"], fields["errno"]) == (8, 500)


def test_untracked_variables(app: Flask, lines: Lines) -> None:
    """The summary has neither untracked variables nor variables of a route without records."""
    app.config["CHEST_TRACKED_VARS"] = ["user_id"]
    app.config["CHEST_RULES"] = [{"rule": "/broken", "record": False}]
    app.config["PROPAGATE_EXCEPTIONS"] = False
    FlaskChest(app)
    Dockerflow(app)
    client = app.test_client()
    client.get("/orders/7")
    client.get("/broken")
    order, broken = summaries(lines())
    assert (order["user_id"], "lines" in order) == (7, False)
    assert "user_id" not in broken


@pytest.mark.usefixtures("lines")
def test_health_routes_are_silent(both: Flask) -> None:
    """Requests for the health routes are not recorded."""
    client = both.test_client()
    both.config["PROPAGATE_EXCEPTIONS"] = False
    with capture_records(both) as records:
        for path in ("/__version__", "/__heartbeat__", "/__lbheartbeat__", "/__error__"):
            client.get(path)
        client.get("/orders/7")
    assert [record.route for record in records] == ["/orders/<int:number>"]


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "/__heartbeat__", "record": True},
        {"endpoint": "dockerflow.*", "record": True},
        {"blueprint": "dockerflow", "record": True},
    ],
    ids=["rule", "glob", "blueprint"],
)
def test_health_routes_that_are_to_be_recorded(app: Flask, rule: dict[str, Any]) -> None:
    """The app's own rule for the health routes overrides the default."""
    app.config["CHEST_RULES"] = [rule]
    FlaskChest(app)
    Dockerflow(app)
    with capture_records(app) as records:
        app.test_client().get("/__heartbeat__")
    assert [record.route for record in records] == ["/__heartbeat__"]


def test_version_tags(both: Flask, tmp_path: Path) -> None:
    """Every record has ``version`` and ``commit`` of ``version.json`` as tags."""
    (tmp_path / "version.json").write_text('{"version": "2", "commit": "abc", "build": "x"}')
    with capture_records(both) as records:
        both.test_client().get("/orders/7")
        both.test_client().get("/orders/7")
    assert [dict(record.tags) for record in records] == [{"version": "2", "commit": "abc"}] * 2


def test_version_tags_of_a_callback(app: Flask) -> None:
    """A version callback is used, and the app's own tags override its values."""
    app.config["CHEST_TAGS"] = {"commit": "mine"}
    FlaskChest(app)
    dockerflow = Dockerflow(app)
    dockerflow.version_callback(lambda root: {"version": "9", "commit": "theirs", "more": 1})
    with capture_records(app) as records:
        app.test_client().get("/orders/7")
    assert dict(records[0].tags) == {"version": "9", "commit": "mine"}


@pytest.mark.parametrize("content", ["[]", "{", '{"version": 7, "commit": ""}', None])
def test_no_version_tags(both: Flask, tmp_path: Path, content: str | None) -> None:
    """Without a version object, requests work and records have no version tags."""
    if content is not None:
        (tmp_path / "version.json").write_text(content)
    with capture_records(both) as records:
        assert both.test_client().get("/orders/7").status_code == 200
    assert dict(records[0].tags) == {}


def test_two_apps(app: Flask, lines: Lines, tmp_path: Path) -> None:
    """Without FlaskChest, there is no check of chests, and Dockerflow generates the ids."""
    FlaskChest(app)
    Dockerflow(app)
    other = Flask("other")
    Dockerflow(other)
    assert other.test_client().get("/__heartbeat__").json == {
        "status": "ok",
        "checks": {},
        "details": {},
    }
    other.test_client().get("/", headers={"X-Request-ID": "a b"})
    assert summaries(lines())[1]["rid"] == "a b"


def test_switched_off(app: Flask, lines: Lines) -> None:
    """With ``CHEST_ENABLED`` off, Dockerflow behaves as without FlaskChest."""
    app.config["CHEST_ENABLED"] = False
    FlaskChest(app)
    Dockerflow(app)
    app.test_client().get("/orders/7")
    assert app.test_client().get("/__heartbeat__").get_json()["checks"] == {}
    assert "user_id" not in summaries(lines())[0]


def test_chest_ok(both: Flask) -> None:
    """The check is ok if the chests answer and have all records."""
    both.test_client().get("/orders/7")
    assert both.extensions["chest"].flush(60)
    answer = both.test_client().get("/__heartbeat__").get_json()
    assert answer["checks"] == {"chest": "ok"}


def test_chest_away(app: Flask, moody: Moody) -> None:
    """An unreachable chest is a warning, because it delays only records."""
    app.config["CHEST_CHESTS"] = [moody, MemoryChest(name="other")]
    FlaskChest(app)
    Dockerflow(app)
    moody.away = True
    response = app.test_client().get("/__heartbeat__")
    assert response.status_code == 200
    assert response.get_json()["details"]["chest"]["messages"] == {
        "flask_chest.health.unreachable.moody": (
            "chest 'moody' cannot be reached: connection refused"
        )
    }
    moody.away = False
    assert app.test_client().get("/__heartbeat__").get_json()["status"] == "ok"


def test_chest_away_without_a_buffer(app: Flask, moody: Moody) -> None:
    """Without a buffer, an unreachable chest is an error, because it makes requests fail."""
    app.config.update(CHEST_CHESTS=[moody], CHEST_BUFFER="none")
    FlaskChest(app)
    Dockerflow(app)
    moody.away = True
    assert app.test_client().get("/__heartbeat__").status_code == 500


def test_chest_hangs(app: Flask, moody: Moody) -> None:
    """A hanging chest is reported within the timeout, and does not hide the others."""
    other = Moody(name="other")
    other.away = True
    app.config.update(CHEST_CHESTS=[moody, other])
    FlaskChest(app)
    Dockerflow(app)
    moody.answers.clear()

    def ask() -> Any:
        for timeout in (0.2, 2, 20):  # more, where a busy machine needs more to ask the other one
            app.config["DOCKERFLOW_CHECK_TIMEOUT"] = timeout
            answer = app.test_client().get("/__heartbeat__").get_json()
            if "refused" in str(answer):
                break
        return answer

    threads: list[set[threading.Thread]] = []
    for _ in range(3):
        answer = ask()
        assert answer["details"]["chest"]["messages"] == {
            "flask_chest.health.unreachable.moody": (
                "chest 'moody' cannot be reached: no answer in time"
            ),
            "flask_chest.health.unreachable.other": (
                "chest 'other' cannot be reached: connection refused"
            ),
        }
        threads.append({each for each in threading.enumerate() if "moody" in each.name})
    assert threads[1:] == threads[:1] * 2, "one thread waits, however often it is asked"


@pytest.mark.parametrize("buffer", ["memory", "disk"])
def test_pending(app: Flask, moody: Moody, buffer: str) -> None:
    """The config sets at which age a pending record is a warning or an error."""
    app.config.update(CHEST_CHESTS=[moody], CHEST_BUFFER=buffer)
    app.config["DOCKERFLOW_CHEST_PENDING_WARNING"] = 0
    chest = FlaskChest(app)
    Dockerflow(app, silenced_checks=["flask_chest.health.unreachable.moody"])
    client = app.test_client()
    assert client.get("/__heartbeat__").get_json()["status"] == "ok"
    moody.away = True
    client.get("/orders/7")
    answer = client.get("/__heartbeat__").get_json()
    (text,) = answer["details"]["chest"]["messages"].values()
    assert answer["status"] == "warning"
    assert text.startswith("chest 'moody': the oldest record that is not delivered yet is ")
    app.config["DOCKERFLOW_CHEST_PENDING_ERROR"] = "0"
    assert client.get("/__heartbeat__").status_code == 500
    app.config["DOCKERFLOW_CHEST_PENDING_ERROR"] = 3600
    app.config["DOCKERFLOW_CHEST_PENDING_WARNING"] = 60
    assert client.get("/__heartbeat__").get_json()["status"] == "ok"
    moody.away = False
    assert chest.flush(60)


def test_pending_in_another_process(app: Flask, moody: Moody) -> None:
    """Records of an earlier process in the journal count as pending too."""
    app.config.update(CHEST_CHESTS=[moody], CHEST_BUFFER="disk", CHEST_SHUTDOWN_TIMEOUT=0)
    app.config["DOCKERFLOW_CHEST_PENDING_WARNING"] = 0
    first = FlaskChest(app)
    Dockerflow(app, silenced_checks=["flask_chest.health.unreachable.moody"])
    moody.away = True
    app.test_client().get("/orders/7")
    first.close()
    assert app.test_client().get("/__heartbeat__").get_json()["status"] == "warning"


def test_losses(app: Flask, moody: Moody) -> None:
    """The config sets at which number lost records are a warning or an error."""
    app.config.update(CHEST_CHESTS=[moody], CHEST_BUFFER_MAX_BYTES=64 * 1024)
    FlaskChest(app)
    Dockerflow(app, silenced_checks=["flask_chest.health.unreachable.moody"])
    moody.away = True

    @app.get("/large")
    def large() -> str:
        g.large = "x" * 8000
        return ""

    client = app.test_client()
    for _ in range(12):
        client.get("/large")
    answer = client.get("/__heartbeat__").get_json()
    assert answer["status"] == "warning"
    assert list(answer["details"]["chest"]["messages"]) == ["flask_chest.health.lost.moody"]
    app.config["DOCKERFLOW_CHEST_LOST_ERROR"] = 1
    assert client.get("/__heartbeat__").status_code == 500


def test_what_was_forgotten_is_no_loss(app: Flask, moody: Moody) -> None:
    """Rejected records that were erased on request are not reported as lost."""
    app.config.update(CHEST_CHESTS=[moody], CHEST_BUFFER="disk")
    FlaskChest(app)
    Dockerflow(app)
    forgotten = Ledger()
    forgotten.account("moody").lost["forgotten"] = 3
    journal = get_state(app).journal_dir
    journal.mkdir(parents=True)
    add_to_totals(JournalScope(journal, app.name), forgotten)
    assert app.test_client().get("/__heartbeat__").get_json()["status"] == "ok"


def test_old_losses_are_no_news() -> None:
    """A loss is reported for an hour."""
    losses = RecentLosses()
    assert losses.update(5, now=0) == 5
    assert losses.update(5, now=3599) == 5
    assert losses.update(7, now=3600) == 2
    assert losses.update(7, now=7199) == 2
    assert losses.update(7, now=7200) == 0
    assert losses.update(7, now=99999) == 0


@pytest.mark.parametrize("value", ["soon", -1, float("nan")])
def test_wrong_thresholds(app: Flask, value: Any) -> None:
    """A threshold that is not a number is an error."""
    app.config["DOCKERFLOW_CHEST_PENDING_ERROR"] = value
    with pytest.raises(ConfigError, match="DOCKERFLOW_CHEST_PENDING_ERROR is"):
        Dockerflow(app)


def test_structures_are_json(both: Flask, lines: Lines) -> None:
    """A list or dict is JSON in the summary."""
    both.test_client().get("/orders/7")
    assert json.loads(summaries(lines())[0]["lines"]) == [{"sku": "a"}]
