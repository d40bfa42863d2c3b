"""Every ``CHEST_*`` key: default, allowed values, and the error message for a wrong value."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest import Chest, FlaskChest, flask_chest
from flask_chest.chests.memory import MemoryChest
from flask_chest.config.fact_names import FACTS
from flask_chest.config.ruleset import build_ruleset
from flask_chest.config.setting_keys import KEYS
from flask_chest.config.settings_validation import Settings, read_settings
from flask_chest.errors import ConfigError


class Unprintable:
    """A value whose ``repr`` raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


class OldWriter:
    """A writer with the interface of 0.0.x."""

    def write(self, context_tuple_list: list[Any]) -> None:
        """Store nothing."""


def app_with(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update({"CHEST_CHESTS": ["memory://"], **config})
    return app


DEFAULTS = {
    "enabled": True,
    "chests": ["sqlite:///chest.db"],
    "tracked_vars": None,
    "rules": [],
    "blueprints": {},
    "redact": None,
    "tags": {},
    "facts": (),
    "query_names": (),
    "errors": "class",
    "measure": (),
    "logs": None,
    "sample_rate": 1.0,
    "slow_ms": None,
    "request_id_header": "X-Request-ID",
    "buffer": "disk",
    "journal_dir": None,
    "buffer_max_bytes": 256 * 1024 * 1024,
    "batch_size": 1000,
    "export_interval": 1.0,
    "flush": "interval",
    "exporter": "thread",
    "export_timeout": 10.0,
    "shutdown_timeout": 2.0,
    "max_value_bytes": 8 * 1024,
    "max_record_bytes": 64 * 1024,
    "retention": None,
    "archive": None,
    "archive_retention": None,
    "dashboard": False,
    "dashboard_token": None,
}


def test_defaults() -> None:
    """An app without config gets the documented defaults, and every key has one."""
    settings = read_settings({})
    assert {field.name: getattr(settings, field.name) for field in fields(Settings)} == DEFAULTS
    assert {key.field for key in KEYS.values()} == set(DEFAULTS)


def test_every_key_has_a_meaning() -> None:
    """Every key has a sentence, from which the reference is generated."""
    assert all(key.meaning.endswith(".") for key in KEYS.values())


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("CHEST_ENABLED", False, False),
        ("CHEST_CHESTS", ("memory://",), ["memory://"]),
        ("CHEST_TRACKED_VARS", ["a", "b"], ("a", "b")),
        ("CHEST_TRACKED_VARS", [], ()),
        ("CHEST_TRACKED_VARS", {"get": ["a"], "*": []}, {"GET": ("a",), "*": ()}),
        ("CHEST_TRACKED_VARS", {"PROPFIND": ["depth"]}, {"PROPFIND": ("depth",)}),
        ("CHEST_RULES", ({"rule": "/", "track": []},), [{"rule": "/", "track": []}]),
        ("CHEST_BLUEPRINTS", {"shop": ["a"]}, {"shop": ["a"]}),
        ("CHEST_REDACT", [], ()),
        ("CHEST_REDACT", ["*name"], ("*name",)),
        ("CHEST_TAGS", {"env": "test", "n": 1, "f": 0.5, "b": True}, None),
        ("CHEST_FACTS", "all", FACTS),
        ("CHEST_ERRORS", "traceback", None),
        ("CHEST_MEASURE", ["redis", "jinja", "redis"], ("redis", "jinja")),
        ("CHEST_LOGS", "warning", 30),
        ("CHEST_LOGS", 15, 15),
        ("CHEST_FACTS", ["thread", "user", "user"], ("user", "thread")),
        ("CHEST_QUERY_NAMES", ["page"], ("page",)),
        ("CHEST_SAMPLE_RATE", 1, 1.0),
        ("CHEST_SAMPLE_RATE", 0.001, 0.001),
        ("CHEST_SAMPLE_RATE", 0, 0.0),
        ("CHEST_SLOW_MS", 0, 0.0),
        ("CHEST_SLOW_MS", 250, 250.0),
        ("CHEST_REQUEST_ID_HEADER", "X-Correlation-ID", "X-Correlation-ID"),
        ("CHEST_BUFFER", "memory", "memory"),
        ("CHEST_BUFFER", "none", "none"),
        ("CHEST_JOURNAL_DIR", "/var/spool/chest", "/var/spool/chest"),
        ("CHEST_BUFFER_MAX_BYTES", 65536, 65536),
        ("CHEST_BATCH_SIZE", 1, 1),
        ("CHEST_EXPORT_INTERVAL", 0.05, 0.05),
        ("CHEST_EXPORTER", "agent", "agent"),
        ("CHEST_EXPORT_TIMEOUT", 0.5, 0.5),
        ("CHEST_SHUTDOWN_TIMEOUT", 0, 0.0),
        ("CHEST_MAX_VALUE_BYTES", 64, 64),
        ("CHEST_MAX_RECORD_BYTES", 2048, 2048),
        ("CHEST_RETENTION", "30 days", 30 * 86400.0),
        ("CHEST_RETENTION", "30d", 30 * 86400.0),
        ("CHEST_RETENTION", "90 min", 90 * 60.0),
        ("CHEST_RETENTION", "1.5 Hours", 5400.0),
        ("CHEST_RETENTION", "1 week", 7 * 86400.0),
        ("CHEST_RETENTION", "60 seconds", 60.0),
        ("CHEST_RETENTION", 86400, 86400.0),
        ("CHEST_DASHBOARD", True, True),
        ("CHEST_DASHBOARD", "/chest", "/chest"),
        ("CHEST_DASHBOARD_TOKEN", "x" * 20, "x" * 20),
    ],
)
def test_allowed_values(key: str, value: object, found: object) -> None:
    """An allowed value is normalized."""
    settings = read_settings({key: value})
    assert getattr(settings, KEYS[key].field) == (value if found is None else found)


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("CHEST_ENABLED", "no", "expected true or false"),
        ("CHEST_ENABLED", 0, "expected true or false"),
        ("CHEST_ENABLED", None, "expected true or false"),
        ("CHEST_CHESTS", [], "expected a list of URLs"),
        ("CHEST_CHESTS", None, "expected a list of URLs"),
        ("CHEST_CHESTS", "sqlite:///x.db", """environment, write '["sqlite:///chest.db"]'"""),
        ("CHEST_TRACKED_VARS", "user_id", "write ['user_id']"),
        ("CHEST_TRACKED_VARS", [1], "expected a list of names"),
        ("CHEST_TRACKED_VARS", [""], "expected a list of names"),
        ("CHEST_TRACKED_VARS", {1: []}, "expected HTTP methods as keys"),
        ("CHEST_TRACKED_VARS", {"GTE": ["a"]}, "did you mean 'GET'?"),
        ("CHEST_TRACKED_VARS", {"not a method": ["a"]}, "is no HTTP method"),
        ("CHEST_TRACKED_VARS", {"GET": "a"}, "write ['a']"),
        ("CHEST_RULES", {"rule": "/"}, "expected a list of rules"),
        ("CHEST_RULES", ["/"], "expected a list of rules"),
        ("CHEST_RULES", "/", "expected a list of rules"),
        ("CHEST_BLUEPRINTS", ["shop"], "expected a mapping"),
        ("CHEST_BLUEPRINTS", {1: []}, "expected a mapping"),
        ("CHEST_REDACT", "password", "write ['password']"),
        ("CHEST_REDACT", [None], "expected a list of names"),
        ("CHEST_FACTS", ["user_id"], "there is no fact 'user_id'; did you mean 'user'?"),
        ("CHEST_FACTS", ["all"], "there is no fact 'all'; known facts: user, view_args"),
        ("CHEST_FACTS", "user", "expected a list of facts, or 'all'; write ['user']"),
        ("CHEST_FACTS", "quary", "did you mean 'query'?"),
        ("CHEST_FACTS", None, "expected a list"),
        ("CHEST_FACTS", [1], "item 0 is 1"),
        ("CHEST_ERRORS", "tracebacks", "did you mean 'traceback'?"),
        ("CHEST_ERRORS", True, "expected one of 'class', 'message', 'traceback'"),
        ("CHEST_MEASURE", "jinja", "write ['jinja']"),
        ("CHEST_MEASURE", ["sqlalchmey"], "cannot be measured; did you mean 'sqlalchemy'?"),
        ("CHEST_MEASURE", ["urllib3"], "known names: sqlalchemy, requests, httpx, redis, jinja"),
        ("CHEST_LOGS", "loud", "expected a level of the module logging, e.g. 'warning'"),
        ("CHEST_LOGS", 0, "expected a level"),
        ("CHEST_LOGS", True, "expected a level"),
        ("CHEST_QUERY_NAMES", "page", "write ['page']"),
        ("CHEST_TAGS", "env=prod", "expected a mapping"),
        ("CHEST_TAGS", {"env": ["a"]}, "the tag 'env' must be a text, a number or a boolean"),
        ("CHEST_TAGS", {"env": None}, "the tag 'env' must be"),
        ("CHEST_TAGS", {"env": float("nan")}, "the tag 'env' must be"),
        ("CHEST_TAGS", {"env": 2**70}, "the tag 'env' must be"),
        ("CHEST_TAGS", {"env": "\ud800"}, "the tag 'env' must be"),
        ("CHEST_TAGS", {"env": "a\0b"}, "the tag 'env' must be"),
        ("CHEST_SAMPLE_RATE", 1.5, "at least 0 and at most 1"),
        ("CHEST_SAMPLE_RATE", -1, "at least 0 and at most 1"),
        ("CHEST_SAMPLE_RATE", True, "expected a number"),
        ("CHEST_SAMPLE_RATE", "half", "expected a number"),
        ("CHEST_SAMPLE_RATE", float("nan"), "expected a number"),
        ("CHEST_SLOW_MS", -1, "at least 0"),
        ("CHEST_SLOW_MS", float("inf"), "expected a number"),
        ("CHEST_SLOW_MS", 10**400, "expected a number"),
        ("CHEST_REQUEST_ID_HEADER", "", "the name of an HTTP header"),
        ("CHEST_REQUEST_ID_HEADER", "X-Id\r\nSet-Cookie: a", "the name of an HTTP header"),
        ("CHEST_REQUEST_ID_HEADER", None, "the name of an HTTP header"),
        ("CHEST_BUFFER", "dsik", "did you mean 'disk'?"),
        ("CHEST_BUFFER", None, "one of 'disk', 'memory', 'none'"),
        ("CHEST_JOURNAL_DIR", "", "a text that is not empty"),
        ("CHEST_JOURNAL_DIR", "a\0b", "a text"),
        ("CHEST_JOURNAL_DIR", 7, "a text that is not empty"),
        ("CHEST_BUFFER_MAX_BYTES", 1024, "at least 65536"),
        ("CHEST_BUFFER_MAX_BYTES", 1e9, "a whole number"),
        ("CHEST_BATCH_SIZE", 0, "at least 1"),
        ("CHEST_BATCH_SIZE", True, "a whole number"),
        ("CHEST_BATCH_SIZE", "100", "a whole number"),
        ("CHEST_EXPORT_INTERVAL", 0, "at least 0.05"),
        ("CHEST_EXPORT_INTERVAL", float("inf"), "at most 86400"),
        ("CHEST_EXPORTER", "threads", "did you mean 'thread'?"),
        ("CHEST_EXPORT_TIMEOUT", 0, "above 0"),
        ("CHEST_EXPORT_TIMEOUT", 1e12, "at most 86400"),
        ("CHEST_SHUTDOWN_TIMEOUT", -0.1, "at least 0"),
        ("CHEST_SHUTDOWN_TIMEOUT", 1e12, "at most 86400"),
        ("CHEST_MAX_VALUE_BYTES", 63, "at least 64"),
        ("CHEST_MAX_RECORD_BYTES", 2047, "at least 2048"),
        ("CHEST_RETENTION", "30 dyas", "e.g. '30 days'"),
        ("CHEST_RETENTION", "0 days", "e.g. '30 days'"),
        ("CHEST_RETENTION", "3m", "e.g. '30 days'"),
        ("CHEST_RETENTION", 0, "e.g. '30 days'"),
        ("CHEST_RETENTION", True, "e.g. '30 days'"),
        ("CHEST_RETENTION", float("inf"), "up to 100 years"),
        ("CHEST_RETENTION", 30, "write '30 days' or '30 seconds'"),
        ("CHEST_RETENTION", "99999999 years", "up to 100 years"),
        ("CHEST_DASHBOARD", "chest", "begins with '/'"),
        ("CHEST_DASHBOARD", 1, "begins with '/'"),
        ("CHEST_DASHBOARD_TOKEN", "", "a text that is not empty"),
        ("CHEST_DASHBOARD_TOKEN", "tiger42", "at least 20 characters"),
        ("CHEST_DASHBOARD_TOKEN", "x" * 19, "'flask chest token' makes one"),
        ("CHEST_DASHBOARD_TOKEN", " " * 30, "'flask chest token' makes one"),
    ],
)
def test_wrong_values(key: str, value: object, remedy: str) -> None:
    """A wrong value raises an error with the key, the value and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        FlaskChest(app_with(**{key: value}))
    message = str(caught.value)
    assert message.startswith(f"{key}: ")
    assert remedy in message
    if not KEYS[key].secret:
        assert repr(value)[:40] in message


def test_a_value_that_cannot_be_shown_is_named_by_its_type() -> None:
    """If a value's ``repr`` raises, the message names its type."""
    with pytest.raises(ConfigError, match="CHEST_BATCH_SIZE: a Unprintable is not allowed"):
        read_settings({"CHEST_BATCH_SIZE": Unprintable()})


def test_a_long_value_is_cut() -> None:
    """A value of ten megabytes does not make a message of ten megabytes."""
    with pytest.raises(ConfigError) as caught:
        read_settings({"CHEST_BUFFER": "x" * 10_000_000})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CHEST_CHESTS", "postgresql://user:hunter2@db/app"),
        ("CHEST_CHESTS", {"url": "influxdb://:hunter2@db/org/bucket"}),
        ("CHEST_DASHBOARD_TOKEN", ["hunter2"]),
    ],
)
def test_no_message_quotes_a_credential(key: str, value: object) -> None:
    """For settings that may hold credentials, the message names only the value's type."""
    with pytest.raises(ConfigError) as caught:
        read_settings({key: value})
    assert "hunter2" not in str(caught.value)
    assert f"a value of type '{type(value).__name__}'" in str(caught.value)


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("CHEST_CHEST", "CHEST_CHESTS"),
        ("CHEST_TRACKED_VAR", "CHEST_TRACKED_VARS"),
        ("CHEST_SAMPLERATE", "CHEST_SAMPLE_RATE"),
        ("CHEST_REDACTED", "CHEST_REDACT"),
    ],
)
def test_a_misspelt_key(misspelt: str, meant: str) -> None:
    """The error for an unknown key suggests the closest known key."""
    with pytest.raises(ConfigError, match=rf"^{misspelt}: .* did you mean '{meant}'\?"):
        FlaskChest(app_with(**{misspelt: None}))


def test_an_unknown_key() -> None:
    """If no known key is close, the error lists all keys."""
    with pytest.raises(ConfigError, match=r"known keys: CHEST_ENABLED, .*CHEST_DASHBOARD_TOKEN"):
        read_settings({"CHEST_QQQQQQQQQQQQQQQQ": 1})


def test_keys_of_other_extensions() -> None:
    """Keys that do not begin with ``CHEST_`` are ignored."""
    assert read_settings({"CHESTNUT": 1, "SECRET_KEY": "x"}) == read_settings({})


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``FLASK_CHEST_*`` variables reach the settings through ``app.config.from_prefixed_env()``."""
    values = {
        "FLASK_CHEST_CHESTS": '["memory://"]',
        "FLASK_CHEST_BATCH_SIZE": "10",
        "FLASK_CHEST_EXPORT_INTERVAL": "0.5",
        "FLASK_CHEST_TRACKED_VARS": '{"GET": ["user_id"]}',
        "FLASK_CHEST_BUFFER": "memory",
        "FLASK_CHEST_TAGS__env": "prod",
        "FLASK_CHEST_RETENTION": "2 days",
        "FLASK_CHEST_DASHBOARD": "false",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    app = Flask(__name__)
    app.config.from_prefixed_env()
    settings = FlaskChest(app).of().settings
    assert settings.chests == ["memory://"]
    assert settings.batch_size == 10
    assert settings.export_interval == 0.5
    assert settings.tracked_vars == {"GET": ("user_id",)}
    assert settings.buffer == "memory"
    assert settings.tags == {"env": "prod"}
    assert settings.retention == 2 * 86400
    assert settings.dashboard is False


def test_a_number_in_the_environment_for_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a token of digits arrives as a number, the message says how to quote it."""
    monkeypatch.setenv("FLASK_CHEST_DASHBOARD_TOKEN", "12345")
    app = Flask(__name__)
    app.config.from_prefixed_env()
    with pytest.raises(ConfigError, match=r"CHEST_DASHBOARD_TOKEN: .*in the environment, write"):
        FlaskChest(app)


def test_toml(tmp_path: Path) -> None:
    """Every kind of setting can be written in TOML."""
    tomllib = pytest.importorskip("tomllib")  # new in Python 3.11
    (tmp_path / "chest.toml").write_text(
        """
        CHEST_CHESTS = ["memory://", {url = "memory://", name = "second"}]
        CHEST_SAMPLE_RATE = 0.5
        CHEST_RULES = [{rule = "/api/*", methods = ["POST"], track = ["tenant"]}]
        [CHEST_BLUEPRINTS]
        billing = ["invoice_id"]
        shop = {track = ["sku"], sample = 0.1}
        [CHEST_TAGS]
        service = "shop"
        """
    )
    app = Flask(__name__)
    app.config.from_file(str(tmp_path / "chest.toml"), tomllib.load, text=False)
    state = FlaskChest(app).of()
    assert [chest.name for chest in state.chests] == ["memory", "second"]
    assert state.settings.tags == {"service": "shop"}
    assert [rule.source for rule in state.plans.rules.all] == [
        "CHEST_BLUEPRINTS['billing']",
        "CHEST_BLUEPRINTS['shop']",
        "CHEST_RULES[0]",
    ]


def test_keyword_arguments_win() -> None:
    """Keyword arguments win over the config, even ``None``."""
    chest = MemoryChest(name="given")
    app = app_with(
        CHEST_TRACKED_VARS=["a"], CHEST_RULES=[{"rule": "/a", "track": ["x"]}], CHEST_BATCH_SIZE=7
    )
    rules = [{"rule": "/b", "track": ["y"]}]
    state = FlaskChest(app, chests=[chest], tracked_vars=None, rules=rules).of()
    assert state.chests == [chest]
    assert state.settings.tracked_vars is None
    assert [rule.selectors["rule"] for rule in state.plans.rules.all] == ["/b"]
    assert state.settings.batch_size == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chests": "memory://"}, "CHEST_CHESTS: .* expected a list of URLs"),
        ({"chests": ["memroy://"]}, r"CHEST_CHESTS\[0\]: .* did you mean 'memory'\?"),
        ({"tracked_vars": "user_id"}, r"CHEST_TRACKED_VARS: 'user_id' .* write \['user_id'\]"),
        ({"rules": [7]}, "CHEST_RULES: .* expected a list of rules"),
        ({"request_id_generator": "uuid4"}, "request_id_generator: 'uuid4' .* a function"),
        ({"scheduler": "mine"}, "scheduler: 'mine' .* expected an APScheduler scheduler"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    """A wrong keyword argument raises the same error as a wrong config value."""
    with pytest.raises(ConfigError, match=message):
        FlaskChest(app_with(), **arguments)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("chest.db", r"a URL needs a scheme, e\.g\. 'sqlite:///chest\.db'"),
        ("", "a URL needs a scheme"),
        ("sqlite3:///chest.db", r"unknown scheme 'sqlite3'; did you mean 'sqlite'\?"),
        ("zzz://host", "unknown scheme 'zzz'; known: chdb, clickhouse, "),
        ("sqlite://chest.db", "SQLite has no host; write 'sqlite:///chest.db'"),
        ("sqlite://", "SQLite needs a file"),
        ("sqlite:chest.db", "'//' must follow 'sqlite:'; write 'sqlite:///chest.db'"),
        ("https:/host", "'//' must follow 'https:'; write 'https://...'"),
        ("https://", "the URL names no host; write e.g. 'https://host/path'"),
        ("https://host:port/in", "a port that is no number"),
        ({"url": "https://host", "headers": "X-Key"}, "'headers' is of type 'str'; expected a map"),
        ({"url": "https://host", "success_status_codes": 202}, "codes 202: expected HTTP statuses"),
        ({"url": "https://host", "success_status_codes": "202"}, "codes '202': expected HTTP"),
        ({"url": "https://host", "timeout": "5"}, "timeout: '5' is not allowed: expected a number"),
        ({"url": "https://host", "payload_generator": "f"}, "payload_generator: 'f' .* function"),
        ("sqlite:///:memory:", "use 'memory://'"),
        ("postgresql://u:p@[::1/db", "the URL is malformed"),
        ({}, "a dict needs 'url'"),
        ({"url": 7}, "a dict needs 'url'"),
        ({"url": "sqlite:///x.db", "tabel": "t"}, "no argument 'tabel'; did you mean 'table'"),
        ({"url": "sqlite:///x.db", "table": "a b"}, "use letters, digits and underscores"),
        ({"url": "sqlite:///x.db", "table": 7}, "table 7: use letters"),
        ({"url": "sqlite:///x.db", "path": "y.db"}, "'path'; leave out what the URL says"),
        ({"url": "memory://", "name": 7}, "name 7: expected a text"),
        ({"url": "memory://", "name": ""}, "name '': expected a text"),
        ({"url": "memory://", "name": "a\ud800"}, "expected a text of printable characters"),
        ({"url": "memory://", "name": "a\nb"}, "expected a text of printable characters"),
        ({"url": "memory://", "name": "x" * 201}, "at most 200 bytes, percent-encoded"),
        ({"url": "memory://", "name": "\u00e4" * 34}, "at most 200 bytes, percent-encoded"),
        (OldWriter(), r"OldWriter is not a Chest; wrap it: Chest\.from_tuple_writer\(obj\)"),
        (7, "expected a URL, a dict with 'url', or a Chest, not int"),
        (MemoryChest, r"make one: MemoryChest\("),
    ],
)
def test_wrong_chests(spec: object, message: str) -> None:
    """A wrong entry of ``CHEST_CHESTS`` raises an error with its index and the remedy."""
    with pytest.raises(ConfigError, match=r"^CHEST_CHESTS\[1\]: ") as caught:
        FlaskChest(app_with(CHEST_CHESTS=["memory://", spec]))
    assert caught.match(message)


def test_two_chests_of_one_name() -> None:
    """Names must be unique, because ledger and journal use them as keys."""
    chests = [{"url": "memory://", "name": "a"}, {"url": "memory://", "name": "a"}]
    with pytest.raises(ConfigError, match=r"CHEST_CHESTS\[1\]: the name 'a' is taken by .*\[0\]"):
        FlaskChest(app_with(CHEST_CHESTS=chests))


def test_unnamed_chests_are_numbered() -> None:
    """Chests without a name get numbered names; given names stay."""
    chests = ["memory://", "memory://", {"url": "memory://", "name": "memory-2"}]
    app = app_with(CHEST_CHESTS=chests)
    state = FlaskChest(app).of()
    assert [chest.name for chest in state.chests] == ["memory", "memory-3", "memory-2"]


def test_too_many_chests() -> None:
    """An app cannot have more chests than a journal's mask has bits."""
    with pytest.raises(ConfigError, match="CHEST_CHESTS: 33 chests are too many; at most 32 in"):
        FlaskChest(app_with(CHEST_CHESTS=["memory://"] * 33))


def test_an_agent_needs_a_journal() -> None:
    """``CHEST_EXPORTER='agent'`` requires ``CHEST_BUFFER='disk'``."""
    with pytest.raises(ConfigError, match=r"CHEST_EXPORTER: 'agent' .* 'memory' .* use 'disk'"):
        FlaskChest(app_with(CHEST_EXPORTER="agent", CHEST_BUFFER="memory"))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "a rule needs one of rule, endpoint, blueprint, methods"),
        ({"track": ["a"]}, "a rule needs one of rule"),
        ({"rule": "/"}, "a rule needs one of track, chests, sample, record"),
        ({"rule": "/", "trak": ["a"]}, "unknown key 'trak'; did you mean 'track'?"),
        ({"rule": "/", 7: ["a"]}, "unknown key 7"),
        ({"route": "/", "track": []}, "unknown key 'route'; did you mean 'rule'?"),
        ({"rule": 7, "track": []}, "'rule' is 7: expected a text"),
        ({"rule": "", "track": []}, "'rule' is '': expected a text"),
        ({"endpoint": None, "track": []}, "'endpoint' is None: expected a text"),
        ({"blueprint": ["shop"], "track": []}, "'blueprint' is ['shop']: expected a text"),
        ({"methods": "POST", "track": []}, "'methods' is 'POST': expected a list of names; write"),
        ({"methods": [], "track": []}, "expected HTTP methods"),
        ({"methods": ["PSOT"], "track": []}, "'PSOT' is no HTTP method; did you mean 'POST'?"),
        ({"rule": "/", "track": "a"}, "'track' is 'a': expected a list of names; write ['a']"),
        ({"rule": "/", "track": {"GTE": []}}, "did you mean 'GET'?"),
        ({"rule": "/", "chests": ["memroy"]}, "no chest 'memroy'; did you mean 'memory'?"),
        ({"rule": "/", "chests": ["influx"]}, "no chest 'influx'; there are: memory"),
        ({"rule": "/", "chests": []}, "to record nothing: 'record': False"),
        ({"rule": "/", "sample": -1}, "to record nothing: 'record': False"),
        ({"rule": "/", "sample": 2}, "expected a fraction, at least 0 and at most 1"),
        ({"rule": "/", "sample": True}, "expected a fraction"),
        ({"rule": "/", "record": "no"}, "'record' is 'no': expected true or false"),
    ],
)
def test_wrong_rules(rule: dict[Any, Any], message: str) -> None:
    """A wrong rule raises an error with its index, the mistake and the remedy."""
    with pytest.raises(ConfigError) as caught:
        FlaskChest(app_with(CHEST_RULES=[{"rule": "/", "track": []}, rule]))
    assert str(caught.value).startswith("CHEST_RULES[1]: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trak": ["a"]}, "unknown key 'trak'; did you mean 'track'?"),
        ({"sample": 7}, "'sample' is 7"),
        ("invoice_id", "write ['invoice_id']"),
        ({"GTE": ["a"]}, "did you mean 'GET'?"),
        ({"GET": ["a"], "sample": 0.1}, "unknown key 'GET'"),
    ],
)
def test_wrong_blueprints(options: object, message: str) -> None:
    """A wrong entry of ``CHEST_BLUEPRINTS`` raises an error with the blueprint's name."""
    with pytest.raises(ConfigError) as caught:
        FlaskChest(app_with(CHEST_BLUEPRINTS={"billing": options}))
    assert str(caught.value).startswith("CHEST_BLUEPRINTS['billing']: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("shop", "sku"), {}, r"track\('shop'\): 'track' is 'sku': .* write \['sku'\]"),
        (("shop", ["sku"]), {"samle": 0.5}, "unknown key 'samle'; did you mean 'sample'"),
        (("shop",), {}, r"track\('shop'\): a rule needs one of track"),
        (("", ["sku"]), {}, "'blueprint' is '': expected a text"),
        ((7, ["sku"]), {}, "'blueprint' is 7: expected a text"),
    ],
)
@pytest.mark.parametrize("early", [True, False], ids=["before init_app", "after init_app"])
def test_wrong_track(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str, early: bool
) -> None:
    """A wrong call of ``track()`` raises at once and changes nothing."""
    chest = FlaskChest() if early else FlaskChest(app_with())
    with pytest.raises(ConfigError, match=message):
        chest.track(*arguments, **options)
    chest.init_app(app_with())


def test_track_with_a_chest_that_no_app_has() -> None:
    """Chests belong to apps, so a wrong chest name raises as soon as there is an app."""
    chest = FlaskChest()
    chest.track("shop", ["sku"], chests=["influx"])
    with pytest.raises(ConfigError, match=r"track\('shop'\): .* there is no chest 'influx'"):
        chest.init_app(app_with())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chests": "memory://"}, r"flask_chest\(chests\): .* expected a list of URLs"),
        ({"chests": []}, r"flask_chest\(chests\): .* expected a list of URLs"),
        ({"chests": ["memroy://"]}, r"flask_chest\(chests\)\[0\]: .* did you mean 'memory'"),
        ({"chests": [OldWriter()]}, r"flask_chest\(chests\)\[0\]: .*from_tuple_writer"),
        ({"tracked_vars": "user_id"}, r"flask_chest\(tracked_vars\): .* write \['user_id'\]"),
        ({"request_id_generator": 7}, r"flask_chest\(request_id_generator\): 7 .* a function"),
        ({"raise_exceptions": "no"}, r"flask_chest\(raise_exceptions\): 'no' .* true or false"),
    ],
)
def test_wrong_decorator_arguments(arguments: dict[str, Any], message: str) -> None:
    """A wrong argument of the decorator raises an error at the decorator."""
    with pytest.raises(ConfigError, match=message):
        flask_chest(**arguments)


def test_a_decorator_without_parentheses() -> None:
    """``@flask_chest`` without parentheses raises an error with the remedy."""

    def view() -> str:
        return ""

    with pytest.raises(ConfigError, match=r"add parentheses: @flask_chest\(\)"):
        flask_chest(view)  # type: ignore[arg-type]


def test_no_credential_of_the_decorators_chests_is_quoted() -> None:
    """The error for a single URL instead of a list does not quote the URL's password."""
    with pytest.raises(ConfigError) as caught:
        flask_chest(chests="postgresql://user:hunter2@db/app")
    assert "hunter2" not in str(caught.value)


def test_init_app_can_be_repeated_after_an_error() -> None:
    """An ``init_app()`` that fails leaves the app unchanged."""
    app = app_with(CHEST_RULES=[{"rule": "/"}])
    before = app.wsgi_app
    with pytest.raises(ConfigError):
        FlaskChest(app)
    assert app.wsgi_app == before
    assert not app.extensions
    app.config["CHEST_RULES"] = []
    FlaskChest(app)


def test_config_is_read_once() -> None:
    """Changes of the config after ``init_app()`` have no effect."""
    app = app_with(CHEST_BUFFER="memory", CHEST_TAGS={"env": "a"})
    chest = FlaskChest(app)
    app.config["CHEST_TAGS"] = "wrong"
    app.test_client().get("/")
    memory = chest.of().chests[0]
    assert chest.flush()
    assert isinstance(memory, MemoryChest)
    assert [record.tags for record in memory.records] == [{"env": "a"}]
    chest.close()


def test_a_custom_chest() -> None:
    """``CHEST_CHESTS`` accepts a ``Chest`` object, which keeps its logger."""

    class Mine(Chest):
        def write(self, records: Any) -> None:
            """Keep nothing."""

    mine = Mine(logger=logging.getLogger("mine"))
    app = app_with(CHEST_CHESTS=[mine, "memory://"])  # the extension holds apps weakly
    assert FlaskChest(app).of().chests[0] is mine
    assert mine.logger.name == "mine"


MANY: list[Any] = [f"variable_{number}" for number in range(100)]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("CHEST_TRACKED_VARS", [*MANY, 7, *MANY], "expected a list of names, but item 100 is 7"),
        ("CHEST_TRACKED_VARS", {"GET": [*MANY, ""]}, "GET: expected a list of names, but item 100"),
        ("CHEST_TRACKED_VARS", {*MANY, 7}, "but one of them is 7"),
        ("CHEST_REDACT", [*MANY, None], "but item 100 is None"),
        ("CHEST_RULES", [{"rule": "/", "track": []}] * 50 + ["x"], "but item 50 is 'x'"),
        ("CHEST_RULES", [{"rule": "/", "track": [*MANY, 7]}], "but item 100 is 7"),
    ],
)
def test_the_wrong_one_of_many(key: str, value: Any, message: str) -> None:
    """The message says which item of a long list is wrong."""
    with pytest.raises(ConfigError, match=message):
        build_ruleset(read_settings({key: value}), [])
