"""Sessions of the dashboard: signed, limited in time, ended by a logout or a new token."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_chest.dashboard import sessions
from flask_chest.dashboard.access import SESSION_COOKIE
from flask_chest.dashboard.csrf import FORM_COOKIE

from .shop import TOKEN, form_of, log_in, make_dashboard_app, open_client


def cookie_of(client: FlaskClient, name: str = SESSION_COOKIE) -> str:
    found = client.get_cookie(name, path="/chest")
    assert found is not None
    return found.value


def with_cookie(app: Flask, value: str) -> int:
    """Return the status of a page for another browser that has this cookie."""
    other = app.test_client()
    other.set_cookie(SESSION_COOKIE, value, path="/chest")
    return other.get("/chest/health").status_code


def log_out(client: FlaskClient) -> None:
    form = form_of(client, "/chest/health")
    assert client.post("/chest/logout", data={"form": form}).status_code == 303


@pytest.mark.parametrize(
    "cookie",
    ["", ".", "1.2.3", "9999999999.x.y", "ä", "9999999999..", "x" * 3000, "IngiOg.aaaaaa.bbbbb"],
)
def test_forged_cookies(tmp_path: Path, cookie: str) -> None:
    """A cookie that the app did not sign is refused."""
    assert with_cookie(make_dashboard_app(tmp_path), cookie) == 303


def test_the_login_page_has_no_value_that_depends_on_the_token(tmp_path: Path) -> None:
    """An anonymous client gets random values only: they are no signature, under any known key."""
    app = make_dashboard_app(tmp_path)
    values = set()
    for _ in range(3):
        client = app.test_client()
        value = form_of(client)
        assert cookie_of(client, FORM_COOKIE) == value
        assert len(value) == 43
        assert "." not in value, "a signature follows a dot"
        values.add(value)
    assert len(values) == 3
    # The form value of versions before this one could be verified like this, without the app.
    key = hashlib.sha256(TOKEN.encode()).digest()
    for value in values:
        body, _, signature = value.rpartition(".")
        guessed = hmac.new(key, f"form|{body}".encode(), "sha256").hexdigest()
        assert not hmac.compare_digest(guessed, signature)


def test_any_browser_may_choose_the_form_value_but_a_session_needs_the_token(
    tmp_path: Path,
) -> None:
    """The form value opens nothing: it is no session, and a session is no form value."""
    app = make_dashboard_app(tmp_path)
    client = app.test_client()
    assert with_cookie(app, form_of(client)) == 303
    log_in(client)
    session = cookie_of(client)
    client.set_cookie(FORM_COOKIE, session, path="/chest")
    assert client.post("/chest/logout", data={"form": session}).status_code == 400


def test_a_login_starts_a_new_session(tmp_path: Path) -> None:
    """Each login has its own session, so that nobody can choose the session of another user."""
    app = make_dashboard_app(tmp_path)
    client = app.test_client()
    client.set_cookie(SESSION_COOKIE, "chosen", path="/chest")
    log_in(client)
    first = cookie_of(client)
    log_in(client)
    assert len({"chosen", first, cookie_of(client)}) == 3


def test_sessions_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session ends after its time, also if the browser keeps the cookie."""
    app = make_dashboard_app(tmp_path)
    value = cookie_of(open_client(app))
    assert with_cookie(app, value) == 200
    monkeypatch.setattr(sessions, "SESSION_SECONDS", -1)
    assert with_cookie(app, value) == 303


def test_a_new_token_ends_all_sessions(tmp_path: Path) -> None:
    """A cookie that was signed with the token before opens nothing."""
    value = cookie_of(open_client(make_dashboard_app(tmp_path)))
    other = make_dashboard_app(tmp_path, CHEST_DASHBOARD_TOKEN="another token, as long as that")
    assert with_cookie(other, value) == 303


def test_a_logout_ends_copies_of_the_cookie(tmp_path: Path) -> None:
    """After a logout the cookie opens nothing, in no worker of the app; other sessions go on."""
    app, worker = make_dashboard_app(tmp_path), make_dashboard_app(tmp_path)
    client, other = open_client(app), open_client(app)
    value = cookie_of(client)
    assert with_cookie(worker, value) == 200
    log_out(client)
    assert with_cookie(app, value) == 303
    assert with_cookie(worker, value) == 303
    assert with_cookie(worker, cookie_of(other)) == 200


def test_the_file_of_ended_sessions_opens_nothing(tmp_path: Path) -> None:
    """The file belongs to the app's user alone, and contains no cookie."""
    app = make_dashboard_app(tmp_path)
    client = open_client(app)
    value = cookie_of(client)
    log_out(client)
    [file] = (tmp_path / "chest-journal" / "dashboard").glob("*.sessions.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert value not in file.read_text()
    assert value.split(".")[0] not in file.read_text()


def test_many_logouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has a bound; beyond it all sessions end, and none comes back."""
    monkeypatch.setattr(sessions, "_MAX_ENDED", 3)
    app = make_dashboard_app(tmp_path)
    kept = cookie_of(open_client(app))
    ended = []
    for _ in range(4):
        client = open_client(app)
        ended.append(cookie_of(client))
        log_out(client)
    assert [with_cookie(app, value) for value in [*ended, kept]] == [303] * 5


def test_a_damaged_file_ends_all_sessions(tmp_path: Path) -> None:
    """If it is unknown which sessions have ended, no session is valid."""
    app = make_dashboard_app(tmp_path)
    client, other = open_client(app), open_client(app)
    log_out(client)
    [file] = (tmp_path / "chest-journal" / "dashboard").glob("*.sessions.json")
    file.write_text("{}")
    assert with_cookie(app, cookie_of(other)) == 303


def test_a_folder_that_others_may_write_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The app does not trust such a folder: this process ends the session on its own, and logs."""
    folder = tmp_path / "chest-journal" / "dashboard"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    app = make_dashboard_app(tmp_path)
    client = open_client(app)
    value = cookie_of(client)
    log_out(client)
    assert with_cookie(app, value) == 303
    assert list(folder.iterdir()) == []
    assert "can be written to by every user" in caplog.text
    folder.chmod(0o700)
    log_out(open_client(app))
    assert with_cookie(make_dashboard_app(tmp_path), value) == 303, "the file has both logouts now"
