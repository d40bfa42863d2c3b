"""Access to the dashboard: checks, token, cookies, CSRF, security headers."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort, redirect, request, session
from flask.testing import FlaskClient

from flask_chest import FlaskChest
from flask_chest.errors import ConfigError

from .shop import TOKEN, form_of, log_in, make_dashboard_app


def test_no_start_without_an_access_check(tmp_path: Path) -> None:
    """Without an access check the app does not start; the error names the remedies."""
    with pytest.raises(ConfigError, match=r"CHEST_DASHBOARD_TOKEN.*dashboard_access.*--debug"):
        make_dashboard_app(tmp_path, CHEST_DASHBOARD_TOKEN=None)


def test_a_failed_start_leaves_the_app_unchanged(tmp_path: Path) -> None:
    """After a failed init_app(), a corrected setting and a second call work."""
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(CHEST_DASHBOARD=True)
    untouched = app.wsgi_app
    with pytest.raises(ConfigError, match="CHEST_DASHBOARD_TOKEN"):
        FlaskChest(app)
    assert (app.wsgi_app, dict(app.extensions)) == (untouched, {})
    app.config["CHEST_DASHBOARD_TOKEN"] = TOKEN
    FlaskChest(app)


def test_off_by_default(tmp_path: Path) -> None:
    """The dashboard is not served by default."""
    app = make_dashboard_app(tmp_path, CHEST_DASHBOARD=False)
    assert app.test_client().get("/chest/").status_code == 404


@pytest.mark.parametrize("prefix", ["/", "//"])
def test_the_root_is_refused(tmp_path: Path, prefix: str) -> None:
    """The dashboard cannot be served at the root of the app."""
    with pytest.raises(ConfigError, match="name a prefix"):
        make_dashboard_app(tmp_path, CHEST_DASHBOARD=prefix)


def test_token(tmp_path: Path) -> None:
    """A login with the token sets a cookie, which is not the token and opens every page."""
    client = make_dashboard_app(tmp_path).test_client()
    answer = client.get("/chest/requests?where=a%3D1")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/chest/login?next=/chest/requests?where%3Da%253D1"
    assert log_in(client, "open sesam").status_code == 403
    assert log_in(client, "").status_code == 403
    answer = log_in(client, next="/chest/requests?where=a%3D1")
    assert answer.headers["Location"] == "/chest/requests?where=a%3D1"
    [cookie] = [each for each in answer.headers.getlist("Set-Cookie") if "chest_dashboard=" in each]
    assert TOKEN not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/chest"} <= set(cookie.split("; "))
    assert client.get("/chest/requests").status_code == 200


def test_apiflask(tmp_path: Path) -> None:
    """APIFlask reads enable_openapi of every blueprint with a before_request function."""
    app = make_dashboard_app(tmp_path)
    blueprints = [app.blueprints[name] for name in app.before_request_funcs if name is not None]
    assert [getattr(blueprint, "enable_openapi", None) for blueprint in blueprints] == [False]


@pytest.mark.parametrize("name", ["csrf_token", "_csrf_token"])
def test_an_app_with_csrf_protection(tmp_path: Path, name: str) -> None:
    """The forms contain the CSRF token that Flask-WTF or Flask-SeaSurf requires."""
    app = make_dashboard_app(tmp_path, SECRET_KEY="only a test", WTF_CSRF_FIELD_NAME=name)
    if name.startswith("_"):
        del app.config["WTF_CSRF_FIELD_NAME"]  # the name in Flask-SeaSurf and in Flask's snippet
    app.jinja_env.globals["csrf_token"] = lambda: session.setdefault("csrf", "the app's")

    @app.before_request
    def guard() -> None:
        if request.method == "POST" and request.form.get(name) != session.get("csrf", ""):
            abort(400)

    client = app.test_client()
    assert log_in(client).status_code == 400
    assert log_in(client, **{name: hidden(client, name, "/chest/login")}).status_code == 303
    data = {"form": form_of(client, "/chest/"), name: hidden(client, name, "/chest/")}
    assert client.post("/chest/logout", data=data).status_code == 303


def hidden(client: FlaskClient, name: str, path: str) -> str:
    found = re.search(f'name="{name}" value="([^"]+)"', client.get(path).text)
    assert found is not None
    return html.unescape(found[1])


@pytest.mark.parametrize(
    "target",
    [
        *("https://evil.test/", "//evil.test", "/\\evil.test", "//[", "/elsewhere"),
        *("////evil.test", "/\t/evil.test", "\\/evil.test", "/chest/\0", "/chest//evil.test/.."),
        *("javascript:1", "/chest/../admin", "/chest/%2e%2E/admin", "/chest/%5c..", "/chest/\t"),
        *("/chest/\r\nX-Evil: 1", "/chest/%0d%0aX-Evil:1", "/chest/" + "x" * 3000, "/chest/\u2028"),
    ],
)
def test_login_redirects_to_the_dashboard_only(tmp_path: Path, target: str) -> None:
    """The URL parameter ``next`` cannot redirect to another site."""
    client = make_dashboard_app(tmp_path).test_client()
    assert log_in(client, next=target).headers["Location"] == "/chest/"


def test_an_app_below_a_path(tmp_path: Path) -> None:
    """If a server mounts the app below a path, redirects and cookies contain the path."""
    client, root = make_dashboard_app(tmp_path).test_client(), "http://localhost/shop"
    asked = client.get("/chest/requests?where=a%3D1", base_url=root).headers["Location"]
    assert asked == "/shop/chest/login?next=/shop/chest/requests?where%3Da%253D1"
    data = {"token": TOKEN, "form": form_of(client, base_url=root), "next": "/shop/chest/requests"}
    answer = client.post("/chest/login", data=data, base_url=root)
    assert answer.headers["Location"] == "/shop/chest/requests"
    for cookie in answer.headers.getlist("Set-Cookie"):
        assert "Path=/shop/chest" in cookie.split("; ")
    page = client.get("/chest/requests", base_url=root)
    assert page.status_code == 200
    form = form_of(client, "/chest/requests", root)
    answer = client.post("/chest/logout", data={"form": form}, base_url=root)
    assert "Path=/shop/chest" in answer.headers["Set-Cookie"].split("; ")


def test_forged_forms(tmp_path: Path) -> None:
    """A form that another site submits is refused."""
    client = make_dashboard_app(tmp_path).test_client()
    assert client.post("/chest/login", data={"token": TOKEN}).status_code == 400
    assert client.post("/chest/login", data={"token": TOKEN, "form": "ä"}).status_code == 400
    log_in(client)
    assert client.post("/chest/logout").status_code == 400
    assert client.get("/chest/").status_code == 200
    assert client.get("/chest/logout").status_code == 405, "GET changes nothing"
    form = form_of(client, "/chest/")
    assert client.post("/chest/logout", data={"form": form}).status_code == 303
    assert client.get("/chest/").status_code == 303


def guarded(folder: Path, answer: Any, **config: Any) -> FlaskClient:
    app = Flask("shop", instance_path=str(folder))
    app.config.update({"CHEST_DASHBOARD": "/admin/chest", **config})
    chest = FlaskChest()

    @chest.dashboard_access
    def check() -> Any:
        return answer

    chest.init_app(app)
    return app.test_client()


@pytest.mark.parametrize(
    ("answer", "status"),
    [(True, 200), (False, 403), (None, 403), (("no", 451), 451), (redirect("/login", 302), 302)],
)
def test_access_check_of_the_app(tmp_path: Path, answer: Any, status: int) -> None:
    """The app's check grants, denies or responds; the token's login does not exist then."""
    client = guarded(tmp_path, answer, CHEST_DASHBOARD_TOKEN=TOKEN)
    assert client.get("/admin/chest/").status_code == status
    assert client.get("/admin/chest/login").status_code == 404
    assert client.post("/admin/chest/login", data={"token": TOKEN}).status_code == 404


def test_access_needs_a_function() -> None:
    """dashboard_access() refuses anything but a function."""
    with pytest.raises(ConfigError, match="expected a function"):
        FlaskChest().dashboard_access("admin")  # type: ignore[arg-type]


def test_security_headers(tmp_path: Path) -> None:
    """All responses have security headers, including errors and the login."""
    client = make_dashboard_app(tmp_path).test_client()
    for path in ("/chest/login", "/chest/", "/chest/static/chest.js", "/chest/requests/x"):
        with client.get(path) as answer:
            headers = answer.headers
        assert "script-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        log_in(client)
    assert client.get("/chest/").headers["Cache-Control"] == "no-store"
