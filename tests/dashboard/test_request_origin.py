"""Debug mode serves this machine only, and no page of another site can read the dashboard."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from flask_chest import FlaskChest

from .shop import form_of, log_in, make_dashboard_app, open_client

LOOPBACK = {"REMOTE_ADDR": "127.0.0.1"}


def debug_client(folder: Path) -> FlaskClient:
    app = Flask("shop", instance_path=str(folder))
    app.debug = True
    app.config["CHEST_DASHBOARD"] = True
    FlaskChest(app)

    @app.after_request
    def allow_all(response: Response) -> Response:
        """Answer as Flask-CORS does with its defaults."""
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return app.test_client()


@pytest.mark.parametrize(
    ("environ", "headers", "status"),
    [
        (LOOPBACK, {}, 200),
        ({"REMOTE_ADDR": "::1"}, {"Host": "[::1]:5000"}, 200),
        ({"REMOTE_ADDR": "10.0.0.7"}, {}, 403),
        ({"REMOTE_ADDR": ""}, {}, 403),
        (LOOPBACK, {"Host": "evil.test"}, 403),
        (LOOPBACK, {"Host": "127.0.0.1.evil.test"}, 403),
        pytest.param(
            LOOPBACK,
            {"Host": "[", "Origin": "http://["},
            403,
            marks=pytest.mark.skipif(
                version("werkzeug") < "3.1", reason="the client of Werkzeug 3.0 refuses this host"
            ),
        ),
    ],
)
def test_debug_mode(
    tmp_path: Path, environ: dict[str, str], headers: dict[str, str], status: int
) -> None:
    """In debug mode no token is needed for requests from this machine with its own host name."""
    client = debug_client(tmp_path)
    assert client.get("/chest/", environ_base=environ, headers=headers).status_code == status
    client.application.debug = False
    assert client.get("/chest/", environ_base=environ, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "name",
    [
        *("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via"),
        *("X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Real-IP"),
        *("CF-Connecting-IP", "CF-Ray", "CF-Visitor", "CDN-Loop", "True-Client-IP"),
        *("X-Client-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "Fly-Client-IP"),
        *("X-Original-Host", "X-Envoy-External-Address", "X-Amzn-Trace-Id", "X-Azure-ClientIP"),
        *("X-ProxyUser-Ip", "X-Appengine-User-Ip", "X-Vercel-Id", "Tailscale-User-Login"),
    ],
)
def test_debug_mode_behind_a_proxy(tmp_path: Path, name: str) -> None:
    """A proxy on the same machine that adds any one of these headers does not open the page."""
    client = debug_client(tmp_path)
    answer = client.get("/chest/", environ_base=LOOPBACK, headers={name: "https"})
    assert answer.status_code == 403


NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FOREIGN = [
    {"Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://evil.test"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_of_another_site(tmp_path: Path, headers: dict[str, str]) -> None:
    """An app with CORS(app) does not let other pages read the dashboard, in no mode."""
    client = debug_client(tmp_path / "debug")
    assert client.get("/chest/", environ_base=LOOPBACK, headers=headers).status_code == 403
    client = open_client(make_dashboard_app(tmp_path / "token"))
    assert client.get("/chest/health").status_code == 200
    assert client.get("/chest/health", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {**NAVIGATION, "Sec-Fetch-Site": "none"},
        {
            "Sec-Fetch-Site": "cross-site",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
        },
        {"Origin": "http://localhost"},
    ],
)
def test_the_own_page_and_links(tmp_path: Path, headers: dict[str, str]) -> None:
    """The dashboard's own scripts, typed addresses and links from other sites work."""
    client = debug_client(tmp_path)
    assert client.get("/chest/", environ_base=LOOPBACK, headers=headers).status_code == 200


def test_a_login_behind_a_proxy_that_changes_the_host(tmp_path: Path) -> None:
    """The browser's Origin differs from the Host then, and the form value protects the form."""
    client = make_dashboard_app(tmp_path).test_client()
    client.environ_base["HTTP_ORIGIN"] = "http://shop.test"
    assert log_in(client).status_code == 303
    del client.environ_base["HTTP_ORIGIN"]
    form = form_of(client, "/chest/health")
    headers = {"Origin": "http://shop.test"}
    answer = client.post("/chest/logout", data={"form": form}, headers=headers)
    assert answer.status_code == 303
