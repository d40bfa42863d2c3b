"""Failed logins: logged, counted in the ledger, and slowed down in all workers of the app."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest._throttle import LogThrottle
from flask_chest.cli import chest
from flask_chest.dashboard import failed_logins
from flask_chest.dashboard.failed_logins import MAX_FAILURES

from .shop import TOKEN, form_of, log_in, make_dashboard_app

WRONG = "a wrong token, but a long one"


def login_from(app: Flask, address: str, token: str = WRONG) -> Any:
    """Log in from an address, with a new browser."""
    client = app.test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return log_in(client, token)


def test_failures_are_slowed_down_in_all_workers(tmp_path: Path) -> None:
    """After ten failures an address must wait, in each worker, even with the right token."""
    workers = [make_dashboard_app(tmp_path) for _ in range(2)]
    statuses = [login_from(workers[n % 2], "10.0.0.7").status_code for n in range(14)]
    assert statuses == [403] * MAX_FAILURES + [429] * 4
    answer = login_from(workers[0], "10.0.0.7", TOKEN)
    assert answer.status_code == 429, "otherwise an attacker could go on guessing"
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert "Please wait" in answer.text
    assert login_from(workers[1], "10.0.0.8", TOKEN).status_code == 303, "nobody else has to wait"


def test_many_logins_at_once(tmp_path: Path) -> None:
    """Logins that arrive at the same time do not slip past the limit."""
    app = make_dashboard_app(tmp_path)
    client = app.test_client()
    form, statuses = form_of(client), []
    cookie = client.get_cookie("chest_dashboard_form", path="/chest")
    assert cookie is not None

    def guess() -> None:
        other = app.test_client()
        other.set_cookie("chest_dashboard_form", form, path="/chest")
        data = {"token": WRONG, "form": form}
        statuses.append(other.post("/chest/login", data=data).status_code)

    threads = [threading.Thread(target=guess) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [403] * MAX_FAILURES + [429] * 20


def test_the_limit_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that waits may try again, and the right token clears its failures."""
    app = make_dashboard_app(tmp_path)
    for _ in range(MAX_FAILURES + 1):
        answer = login_from(app, "10.0.0.7")
    assert answer.status_code == 429
    now = time.time() + 31
    monkeypatch.setattr(time, "time", lambda: now)
    assert login_from(app, "10.0.0.7").status_code == 403
    assert login_from(app, "10.0.0.7").status_code == 429
    now += 31
    assert login_from(app, "10.0.0.7", TOKEN).status_code == 303
    statuses = [login_from(app, "10.0.0.7").status_code for _ in range(MAX_FAILURES)]
    assert statuses == [403] * MAX_FAILURES


def test_a_clock_that_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the clock is set back, the failures stay."""
    app = make_dashboard_app(tmp_path)
    for _ in range(MAX_FAILURES):
        login_from(app, "10.0.0.7")
    before = time.time() - 86_400
    monkeypatch.setattr(time, "time", lambda: before)
    assert login_from(app, "10.0.0.7").status_code == 429


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.7", "10.0.0.7", True),
        ("a text of a proxy", "\x1b[31m", True),
    ],
)
def test_addresses_of_one_client(tmp_path: Path, one: str, other: str, same: bool) -> None:
    """The addresses of one IPv6 network count as one client, and so do all invalid addresses."""
    app = make_dashboard_app(tmp_path)
    for _ in range(MAX_FAILURES):
        login_from(app, one)
    assert login_from(app, other).status_code == (429 if same else 403)


def test_many_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file stays small, and the addresses with the most failures stay in it."""
    monkeypatch.setattr(failed_logins, "_MAX_ADDRESSES", 5)
    app = make_dashboard_app(tmp_path)
    for _ in range(MAX_FAILURES):
        login_from(app, "10.0.0.7")
    for number in range(20):
        login_from(app, f"10.0.1.{number}")
    [file] = (tmp_path / "chest-journal" / "dashboard").glob("*.logins.json")
    assert len(json.loads(file.read_text())["addresses"]) == 5
    assert login_from(app, "10.0.0.7").status_code == 429


def test_failures_are_logged_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log names the address, and never the token."""
    monkeypatch.setattr(failed_logins, "_log", LogThrottle(logging.getLogger("flask_chest")))
    app = make_dashboard_app(tmp_path)
    with caplog.at_level(logging.WARNING, "flask_chest"):
        for _ in range(MAX_FAILURES + 3):
            login_from(app, "10.0.0.7")
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "login to the dashboard from 10.0.0.7 failed: wrong token",
        "login to the dashboard from 10.0.0.7 refused: too many failures",
    ]
    assert WRONG not in caplog.text


def test_the_ledger_counts_failures_of_all_workers(tmp_path: Path) -> None:
    """stats(), flask chest status and the health page show the same number."""
    app, worker = make_dashboard_app(tmp_path), make_dashboard_app(tmp_path)
    assert app.extensions["chest"].stats()["dashboard"] == {"failed_logins": 0}
    login_from(app, "10.0.0.7")
    login_from(worker, "10.0.0.8")
    assert app.extensions["chest"].stats()["dashboard"] == {"failed_logins": 2}
    status = app.test_cli_runner().invoke(chest, ["status", "--json"])
    assert json.loads(status.output)["dashboard"] == {"failed_logins": 2}
    plain = app.test_cli_runner().invoke(chest, ["status"]).output
    assert "failed logins to the dashboard: 2" in plain
    client = app.test_client()
    log_in(client)
    assert "Failed logins to the dashboard: 2." in client.get("/chest/health").text


def test_without_a_dashboard_the_ledger_has_chests_only(tmp_path: Path) -> None:
    """An app without the token's login has no failed logins to count."""
    app = make_dashboard_app(tmp_path, CHEST_DASHBOARD=False)
    assert set(app.extensions["chest"].stats()) == {"chests"}
