"""Fuzzes secrets in the errors of every chest: no door shows one, in whatever form it is quoted."""

from __future__ import annotations

import base64
import html
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_chest.app.state import get_state
from flask_chest.chests.base import Chest
from flask_chest.chests.factory import make_chest
from flask_chest.chests.http.chest import FlaskChestCustomWriter
from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.chests.secret_scrubbing import scrub
from flask_chest.chests.store_registry import SCHEMES
from flask_chest.delivery.dead_letters import DeadLetters
from flask_chest.dockerflow import Dockerflow
from flask_chest.errors import ChestError, ConfigError
from flask_chest.testing import make_records
from tests.apps import make_app
from tests.cli.shop import run
from tests.dashboard.shop import TOKEN, log_in
from tests.servers.daemon import free_port
from tests.servers.http import HTTPRecorder, Reply

SECRET = "hunter2/T0+B0 'x"
ENCODED = quote(SECRET, safe="")

# The ways in which frameworks, proxies and drivers quote what they received.
QUOTES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "for a URL": lambda text: quote(text, safe=""),
    "for a path": quote,
    "for a form": quote_plus,
    "in lower case": lambda text: quote(text, safe="").lower(),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "JSON": json.dumps,
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "HTML": html.escape,
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Basic": lambda text: base64.b64encode(f"me:{text}".encode()).decode(),
    "its token": lambda text: text.rpartition(" ")[2],
}


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=3, max_size=30),
    st.sampled_from(sorted(QUOTES)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
)
def test_every_form(secret: str, how: str, around: str) -> None:
    """Whatever the secret is, each quoted form of it is blanked out."""
    secret = secret.strip()
    if len(secret) < 3 or how == "its token":
        return
    quoted = QUOTES[how](secret)
    basic = base64.b64encode(f"me:{secret}".encode()).decode().rstrip("=")
    shown = scrub(f"{around} {quoted} {around}", (secret, basic))
    inner = quoted.strip("\"'b")
    assert inner not in shown.replace(around, "") or inner in around or inner in "***"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("Bearer hunter22", "the token hunter22 has expired"),
        ("Bearer hunter22\n", "Invalid header value b'Bearer hunter22\\n'"),
        ("/hooks/T0/B0/xYz123", "Cannot POST /hooks/T0/B0/xYz123"),
        ("/hooks/T0/B0/xYz123", "no hook 'xYz123' in this workspace"),
        ("key=hunter22&to=sales", "the key 'hunter22' is wrong"),
        ('Token token="hunter22", realm="x"', "wrong token: HUNTER22"),
    ],
)
def test_parts(secret: str, text: str) -> None:
    """Parts of a secret are secret: a token in a header, a segment of a path, a query's value."""
    shown = scrub(text, (secret,))
    for part in ("hunter22", "HUNTER22", "xYz123", "bWU6cCB3"):
        assert part not in shown


# How a chest gets the secret, for a server that quotes everything it is sent.
ECHOED: dict[str, Callable[[str], Chest]] = {
    "header": lambda url: FlaskChestCustomWriter(url, headers={"X-Key": SECRET}),
    "bearer": lambda url: FlaskChestCustomWriter(
        url, headers={"Authorization": f"Bearer {SECRET}"}
    ),
    "path": lambda url: FlaskChestCustomWriter(f"{url}/{ENCODED}"),
    "query": lambda url: FlaskChestCustomWriter(f"{url}?to=sales&key={ENCODED}"),
    "param": lambda url: FlaskChestCustomWriter(url, params={"key": SECRET}),
    "user": lambda url: FlaskChestCustomWriter(url.replace("//", f"//me:{ENCODED}@")),
    "user alone": lambda url: FlaskChestCustomWriter(url.replace("//", f"//{ENCODED}@")),
    "otlp header": lambda url: FlaskChestOTLP(url, headers={"api-key": SECRET}),
    "otlp path": lambda url: FlaskChestOTLP(f"{url}/{ENCODED}"),
    "otlp user": lambda url: FlaskChestOTLP(url.replace("//", f"//me:{ENCODED}@")),
    "token": lambda url: FlaskChestInfluxDB(url=url.removesuffix("/hook"), token=SECRET),
}


class Echo(HTTPRecorder):
    """Answers with a status, and quotes the request in the reason, a header and the body."""

    status = 401

    def answer(self, request: Any) -> Reply:
        told = f"{request.method} {request.path} {dict(request.headers)} "
        told += " ".join(quote_it(SECRET) for quote_it in QUOTES.values())
        return Reply(self.status, {"X-Echo": quote(told)}, told.encode())


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with Echo() as server:
        yield server


@pytest.mark.parametrize("status", [401, 400, 404, 422, 500, 302, 204])
@pytest.mark.parametrize("given_as", ECHOED)
def test_server_that_quotes(
    echo: Echo, given_as: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither an error nor the log at level DEBUG shows what the server quotes."""
    echo.status = status
    chest = ECHOED[given_as](echo.url)
    shown = [repr(chest), chest.describe(), chest.location()]
    with caplog.at_level(logging.DEBUG, "flask_chest"):
        for call in (chest.check, lambda: chest.write(make_records(2))):
            with suppress(ChestError):
                try:
                    call()
                except ChestError as error:
                    shown += [str(error), repr(error)]
                    raise
    chest.close()
    ours = [each.message for each in caplog.records if each.name.startswith("flask_chest")]
    assert_no_secret([*shown, *ours])


def assert_no_secret(texts: Sequence[str]) -> None:
    forms = {form(SECRET).strip("\"'b") for form in QUOTES.values()} - {"x"}
    for text in texts:
        for form in (*forms, "hunter2"):
            assert form not in text, text


# An entry of CHEST_CHESTS for each scheme whose errors could show the secret.
UNREACHABLE: dict[str, Any] = {
    "postgresql": f"postgresql://me:{ENCODED}@127.0.0.1:{{port}}/db",
    "mysql": f"mysql://me:{ENCODED}@127.0.0.1:{{port}}/db",
    "mongodb": f"mongodb://me:{ENCODED}@127.0.0.1:{{port}}/db",
    "influxdb": f"influxdb://me:{ENCODED}@127.0.0.1:{{port}}/org/bucket",
    "redis": f"redis://me:{ENCODED}@127.0.0.1:{{port}}/0",
    "clickhouse": f"clickhouse://me:{ENCODED}@127.0.0.1:{{port}}/db",
    "kafka": f"kafka://me:{ENCODED}@127.0.0.1:{{port}}/topic?sasl.mechanism=SCRAM-SHA-256",
    "otlp+http": f"otlp+http://me:{ENCODED}@127.0.0.1:{{port}}/{ENCODED}",
    "http": f"http://me:{ENCODED}@127.0.0.1:{{port}}/{ENCODED}?key={ENCODED}",
    "proxy": {
        "url": "http://127.0.0.1:{port}/",
        "headers": {"Authorization": f"Bearer {SECRET}"},
        "proxies": {"http": f"http://me:{ENCODED}@127.0.0.1:{{port}}"},
    },
}


def app_with_store(folder: Path, spec: Any) -> Flask:
    app = make_app(
        folder,
        SECRET_KEY="of the session",
        CHEST_CHESTS=["sqlite:///chest.db", spec],
        CHEST_DASHBOARD=True,
        CHEST_DASHBOARD_TOKEN=TOKEN,
        CHEST_EXPORT_TIMEOUT=0.2,
        CHEST_SHUTDOWN_TIMEOUT=2.0,
    )
    app.add_url_rule("/", "home", lambda: "hello")
    return app


def with_port(spec: Any) -> dict[str, Any]:
    port = str(free_port())
    if isinstance(spec, str):
        return {"url": spec.replace("{port}", port), "name": "far"}
    text: dict[str, Any] = json.loads(json.dumps(spec).replace("{port}", port))
    return {**text, "name": "far"}


def every_door(app: Flask) -> list[str]:
    """Return everything that an app says about a chest that fails."""
    extension = app.extensions["chest"]
    client = app.test_client()
    heartbeat = client.get("/__heartbeat__").get_data(as_text=True)
    client.get("/")
    extension.flush(30)
    log_in(client)
    pages = [client.get(f"/chest{page}") for page in ("/", "/health", "/requests?chest=far")]
    commands = (["status", "--json"], ["status"], ["stats", "--chest", "far"], ["show", "none"])
    state = get_state(app)
    letters = DeadLetters(state.journal_scope, "far").read()
    chest = next(each for each in state.chests if each.name == "far")
    return [
        heartbeat,
        *(page.get_data(as_text=True) for page in pages),
        *(run(app, *arguments).output for arguments in commands),
        *(letter.reason for letter in letters),
        json.dumps(extension.stats(), default=repr),
        repr(chest),
        repr(extension),
    ]


@pytest.mark.server
@pytest.mark.parametrize("scheme", UNREACHABLE)
def test_every_door(scheme: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Heartbeat, dashboard, commands, dead letters, log and ``repr`` show no secret.

    The heartbeat is public, so it shows neither the host nor the user either.
    """
    app = app_with_store(tmp_path, with_port(UNREACHABLE[scheme]))
    Dockerflow(app)
    with caplog.at_level(logging.DEBUG):
        heartbeat, *texts = every_door(app)
        app.extensions["chest"].close()
    assert "chest 'far' cannot be reached" in heartbeat
    assert "127.0.0.1" not in heartbeat
    assert "me" not in json.loads(heartbeat)["details"]["chest"]["messages"].popitem()[1].split()
    assert "chest 'far'" in caplog.text, "the chest should have failed, and said so"
    # The drivers of others log what they like at level DEBUG.
    ours = [each for each in caplog.records if each.name.startswith(("flask_chest", "dockerflow"))]
    assert_no_secret([heartbeat, *texts, *map(logging.Formatter().format, ours)])


class Careless(Chest):
    """A chest whose driver raises an exception of any class that quotes the secret."""

    scheme = "careless"
    error: BaseException = ValueError()

    def secrets(self) -> tuple[str, ...]:
        return (SECRET,)

    def write(self, records: object) -> None:
        raise self.error

    def check(self) -> None:
        raise self.error


@pytest.mark.server
def test_every_door_for_a_chest_of_the_user(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A user's chest names its secrets, and may raise any exception with one in its text."""
    chest = Careless(name="far")
    chest.error = ValueError(f"Invalid header value b'{SECRET}\\n'\x1b[2J")
    app = app_with_store(tmp_path, chest)
    Dockerflow(app)
    with caplog.at_level(logging.DEBUG):
        texts = every_door(app)
        app.extensions["chest"].close()
    assert "ValueError" in texts[0]
    ours = [each for each in caplog.records if each.name.startswith(("flask_chest", "dockerflow"))]
    lines = [logging.Formatter().format(each) for each in ours]
    assert any("ValueError" in line for line in lines)
    assert_no_secret([*texts, *lines])
    assert not any("\x1b[2J" in text for text in (*texts, *lines))


# Wrong entries. The error names the part that is wrong.
WRONG: list[Any] = [
    "sqlite://me:hunter2@host/chest.db",
    "sqlite:///chest.db?key=hunter2",
    "sqlite:///chest.db#hunter2",
    {"url": "otlp+http://host", "resource": {"key": ["hunter2"]}},
    {"url": "otlp+http://host", "headers": {"api-key": "hunter2\n"}},
    {"url": "otlp+http://host", "headers": "hunter2"},
    {"url": "https://host", "headers": {"Authorization": "Bearer hunter2\n"}},
    {"url": "https://host", "headers": {"Authorization": " hunter2"}},
    {"url": "https://host", "headers": {"Authorization": b"hunter2"}},
    {"url": "https://host", "headers": {"Authorization": "hunter2\u20ac"}},
    {"url": "https://host", "headers": ["hunter2"]},
    {"url": "https://host", "headers": {"X": "hunter2"}, "timeout": "hunter2"},
    {"url": "influxdb://host/org/bucket", "token": "hunter2\n"},
    "influxdb://:hunter2%0A@host/org/bucket",
    "influxdb://:hunter2@host/org",
    "influxdb://:hunter2@host/org/bucket?token=hunter2",
    "postgresql://me:hunter2@host:port/db#x",
    "postgresql://me:pass?hunter2@host/db",
    "postgresql://me:pass#hunter2@host/db",
    "postgresql://me:pass/hunter2@host/db",
    "postgresql://[me:hunter2@host/db",
    "mysql://me:hunter2@host",
    "mysql://me:hunter2@host/db?password=hunter2",
    "mongodb://me:hunter2/x@host",
    "redis://:hunter2@host:nan/0",
    "redis://:hunter2@host/0?password=hunter2",
    "kafka://me:hunter2@broker/wrong topic",
    {"url": "kafka://broker/topic", "options": {"sasl.password": ["hunter2"]}},
    "clickhouse://me:hunter2@host/db?password=hunter2",
    "nothing://me:hunter2@host",
    "postgresql:me:hunter2@host/db",
    "://me:hunter2@host",
]


@pytest.mark.parametrize("spec", WRONG, ids=repr)
def test_wrong_settings(spec: Any, tmp_path: Path) -> None:
    """A ``ConfigError`` shows no secret, and neither does its traceback."""
    import traceback

    with pytest.raises(ConfigError) as caught:
        make_app(tmp_path, CHEST_CHESTS=[spec])
    assert "hunter2" not in str(caught.value)
    assert str(caught.value).startswith("CHEST_CHESTS[0]: ")
    assert "hunter2" not in "".join(traceback.format_exception_only(caught.value))
    cause: BaseException | None = caught.value
    while cause is not None:
        assert "hunter2" not in str(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(SCHEMES)),
    st.text("ab:@/?#[]%\\'\" \n", max_size=8),
    st.text("ab:@/?#[]%\\'\" \n", max_size=8),
)
def test_malformed_urls(scheme: str, before: str, after: str) -> None:
    """Whatever surrounds the password in a URL: it is in no error and in no ``repr``."""
    url = f"{scheme}://me:{before}hunter2{after}@host/db"
    try:
        shown = repr(make_chest(url))
    except ConfigError as error:
        shown = str(error)
    if scheme not in {"sqlite", "chdb"}:  # a file may have any name
        assert "hunter2" not in shown
