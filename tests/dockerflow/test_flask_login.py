"""Tests the field ``uid``: the id of Flask-Login's user."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_chest.dockerflow import Dockerflow

from .conftest import Lines, summaries

flask_login = pytest.importorskip("flask_login")


class User(flask_login.UserMixin):  # type: ignore[misc, name-defined]
    def __init__(self, id: str) -> None:  # noqa: A002 - Flask-Login's name
        self.id = id


class Bare:
    """A user with the fewest attributes that Flask-Login needs."""

    is_active = True

    def get_id(self) -> str:
        return "7"


class Callable(Bare):
    def is_authenticated(self) -> bool:
        return True


@pytest.fixture
def loaded() -> list[Any]:
    """The ids that the user loader was called with."""
    return []


@pytest.fixture
def users() -> dict[str, Any]:
    return {"7": User("7")}


@pytest.fixture
def app(app: Flask, loaded: list[Any], users: dict[str, Any]) -> Flask:
    app.secret_key = "only a test"
    manager = flask_login.LoginManager(app)

    def load(user_id: str) -> Any:
        loaded.append(user_id)
        user = users.get(user_id)
        if isinstance(user, Exception):
            raise user
        return user

    manager.user_loader(load)

    @app.post("/login/<user_id>")
    def login(user_id: str) -> str:
        flask_login.login_user(users[user_id])
        return "welcome"

    Dockerflow(app)
    return app


def uids(lines: Lines) -> list[Any]:
    return [fields["uid"] for fields in summaries(lines())]


def test_logged_in(app: Flask, lines: Lines) -> None:
    """``uid`` is the id of the logged-in user, or empty."""
    client = app.test_client()
    client.get("/orders/7")
    client.post("/login/7")
    client.get("/orders/7")
    assert uids(lines) == ["", "7", "7"]


@pytest.mark.parametrize(("user", "uid"), [(Bare(), ""), (Callable(), "7")], ids=["bare", "call"])
def test_odd_users(app: Flask, lines: Lines, users: dict[str, Any], user: object, uid: str) -> None:
    """``is_authenticated`` may be missing, or a method as in old versions."""
    users["7"] = user
    app.test_client().post("/login/7")
    assert uids(lines) == [uid]


def test_a_loader_that_raises(app: Flask, lines: Lines, users: dict[str, Any]) -> None:
    """If loading the user fails, the request still has a response and a summary."""
    client = app.test_client()
    client.post("/login/7")
    users["7"] = ConnectionError("the database is away")
    assert client.get("/orders/7").status_code == 200
    assert uids(lines) == ["7", ""]
    assert lines() == []


def test_the_load_balancer_loads_nobody(app: Flask, lines: Lines, loaded: list[Any]) -> None:
    """``/__lbheartbeat__`` loads no user, not even with a session."""
    client = app.test_client()
    client.post("/login/7")
    loaded.clear()
    assert client.get("/__lbheartbeat__").status_code == 200
    assert loaded == []
    assert uids(lines) == ["7", ""]
