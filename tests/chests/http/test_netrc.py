"""The user's ``~/.netrc`` changes nothing, and proxies of the environment go on working."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from flask_chest.chests.base import Chest
from flask_chest.chests.http.chest import FlaskChestCustomWriter
from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.testing import make_records
from tests.servers.collector import Collector
from tests.servers.http import HTTPRecorder


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login other password of-another-service\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))


def sent(chest: Chest, server: HTTPRecorder) -> str | None:
    """Return the Authorization header of a batch."""
    chest.write(make_records(1))
    chest.close()
    return server.requests[-1].headers.get("Authorization")


@pytest.mark.usefixtures("netrc")
def test_http() -> None:
    """The header that the app configured is sent, or none, or the user of the URL."""
    header = {"Authorization": "Bearer ours"}
    with HTTPRecorder() as server:
        assert sent(FlaskChestCustomWriter(server.url, headers=header), server) == "Bearer ours"
        assert sent(FlaskChestCustomWriter(server.url), server) is None
        url = server.url.replace("//", "//me:p%C3%A4ss%40@")
        basic = base64.b64encode("me:p\u00e4ss@".encode()).decode()
        assert sent(FlaskChestCustomWriter(url), server) == f"Basic {basic}"


@pytest.mark.usefixtures("netrc")
def test_otlp_and_influxdb() -> None:
    """The same holds for the other chests that speak HTTP."""
    with Collector() as server:
        headers = {"Authorization": "Bearer ours"}
        assert sent(FlaskChestOTLP(server.url, headers=headers), server) == "Bearer ours"
        assert sent(FlaskChestOTLP(server.url), server) is None
    with HTTPRecorder() as server:
        chest = FlaskChestInfluxDB(url=server.url.removesuffix("/hook"), token="ours")
        assert sent(chest, server) == "Token ours"


@pytest.mark.usefixtures("netrc")
def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``HTTP_PROXY`` is used, with its own credentials, and ``NO_PROXY`` is obeyed."""
    with HTTPRecorder() as proxy, HTTPRecorder() as server:
        monkeypatch.setenv("http_proxy", f"http://p:q@127.0.0.1:{proxy.port}")
        chest = FlaskChestCustomWriter("http://store.invalid/hook", headers={"X-Key": "k"})
        chest.write(make_records(1))
        chest.close()
        [request] = proxy.requests
        assert request.path == "http://store.invalid/hook"
        assert request.headers["Proxy-Authorization"] == "Basic cDpx"
        assert "Authorization" not in request.headers
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert sent(FlaskChestCustomWriter(server.url), server) is None
