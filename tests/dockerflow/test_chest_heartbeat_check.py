"""Tests the heartbeat's check of an app's chests."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask, g

from flask_chest import FlaskChest
from flask_chest.app.state import get_state
from flask_chest.chests.memory import MemoryChest
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.ledger_of_all_processes import add_to_totals
from flask_chest.delivery.ledger import Ledger
from flask_chest.dockerflow import Dockerflow
from flask_chest.dockerflow.chest_heartbeat_check import RecentLosses
from flask_chest.errors import ConfigError

from .conftest import Moody


@pytest.fixture
def app(chest_app: Flask) -> Flask:
    return chest_app


def test_chest_ok(both: Flask) -> None:
    """The check is ok if the chests answer and have all records."""
    both.test_client().get("/orders/7")
    assert both.extensions["chest"].flush(60)
    answer = both.test_client().get("/__heartbeat__").get_json()
    assert answer["checks"] == {"chest": "ok"}


def test_unreachable_chest(app: Flask, moody: Moody) -> None:
    """An unreachable chest is a warning, because it delays only records."""
    app.config["CHEST_CHESTS"] = [moody, MemoryChest(name="other")]
    FlaskChest(app)
    Dockerflow(app)
    moody.away = True
    response = app.test_client().get("/__heartbeat__")
    assert response.status_code == 200
    assert response.get_json()["details"]["chest"]["messages"] == {
        "flask_chest.health.unreachable.moody": (
            "chest 'moody' cannot be reached: DeliveryError; the app's log has the reason, and "
            "'flask chest status' shows it"
        )
    }
    moody.away = False
    assert app.test_client().get("/__heartbeat__").get_json()["status"] == "ok"


def test_unreachable_chest_without_a_buffer(app: Flask, moody: Moody) -> None:
    """Without a buffer, an unreachable chest is an error, because it makes requests fail."""
    app.config.update(CHEST_CHESTS=[moody], CHEST_BUFFER="none")
    FlaskChest(app)
    Dockerflow(app)
    moody.away = True
    assert app.test_client().get("/__heartbeat__").status_code == 500


def test_hanging_chest(app: Flask, moody: Moody) -> None:
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
            if "DeliveryError" in str(answer):
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
                "chest 'other' cannot be reached: DeliveryError; the app's log has the reason, and "
                "'flask chest status' shows it"
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


def test_erased_records_are_not_losses(app: Flask, moody: Moody) -> None:
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


def test_old_losses_are_not_reported() -> None:
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
