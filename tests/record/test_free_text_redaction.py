"""Secrets in free text: each form in which libraries write a name and its value."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from flask_chest.config.default_redaction import DEFAULT_REDACT
from flask_chest.record.free_text_redaction import TextRedaction, without_literals
from flask_chest.record.redaction import Redaction

redaction = TextRedaction(Redaction(DEFAULT_REDACT))

NAMES = st.sampled_from(
    ["password", "API_KEY", "client_secret", "Authorization", "sessionid", "x-auth-token", "card"]
)
# A mark that no form escapes, with anything around it.
MARK = "hunter2Xk9"
AROUND = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
SECRETS = st.builds(lambda before, after: before + MARK + after, AROUND, AROUND)
# Values that a form without quotes can hold: their end could not be found otherwise.
BARE = st.text("abcXYZ0189!#$%*+,-./:;=?@^_|~'\"(){}[]", max_size=8)
BARE_SECRETS = st.builds(lambda before, after: f"x{before}{MARK}{after}", BARE, BARE)
LINES = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8)

QUOTED: dict[str, Any] = {
    "repr": lambda name, value: repr({"a": 1, name: value, "b": [2]}),
    "JSON": lambda name, value: json.dumps({"a": 1, name: value, "b": 2}),
    "JSON in JSON": lambda name, value: json.dumps({"a": json.dumps({name: value, "b": 2})}),
    "pairs": lambda name, value: repr([("Accept", "*/*"), (name, value)]),
    "bytes": lambda name, value: repr({name: value.encode()}),
    "keywords": lambda name, value: f"connect({name.replace('-', '_')}={value!r}, timeout=3)",
    "assignment": lambda name, value: f"{name} = {value!r}",
    "prose": lambda name, value: f"the {name} {value!r} is wrong",
    "query": lambda name, value: "GET /?" + urlencode({"a": 1, name: value, "b": 2}),
    "form": lambda name, value: urlencode({f"user[{name}]": value}),
    "URL": lambda _, value: f"cannot connect to postgresql://me:{quote(value, safe='')}@db:5432/x",
}
BARE_FORMS: dict[str, Any] = {
    "header": lambda name, value: f"Accept: */*\n{name}: {value}\nHost: x",
    "prefixed header": lambda name, value: f"{name}: Bearer {value}\r\nHost: x",
    "equals": lambda name, value: f"dsn host=db {name}={value} port=5432",
    "log line": lambda name, value: f"2026-12-01 INFO login {name}: {value}",
    "URL": lambda _, value: f"redis://:{value.replace('/', '').replace('?', '')}@cache:6379/0",
}


@pytest.mark.parametrize("form", QUOTED)
@given(name=NAMES, value=SECRETS)
def test_values_in_quotes(form: str, name: str, value: str) -> None:
    """Nothing of the value remains, with any characters around it."""
    assert MARK not in redaction.clean(QUOTED[form](name, value))


@pytest.mark.parametrize("form", BARE_FORMS)
@given(name=NAMES, value=BARE_SECRETS)
def test_values_without_quotes(form: str, name: str, value: str) -> None:
    """A bare value ends where its form ends it."""
    if form == "URL":
        value = value.replace("'", "").replace('"', "").replace("#", "")
    if form != "URL" and value.startswith(("'", '"')):
        value = f"x{value}"
    assert MARK not in redaction.clean(BARE_FORMS[form](name, value))


@given(value=SECRETS)
def test_parameters_of_statements(value: str) -> None:
    """The message of SQLAlchemy's errors has the parameters; the record's has not."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(SQLAlchemyError) as caught:
        connection.execute(text("select * from users where pin = :pin"), {"pin": value})
    engine.dispose()
    cleaned = redaction.clean(str(caught.value))
    assert MARK not in cleaned
    assert "no such table: users" in cleaned


@pytest.mark.parametrize(
    "message",
    [
        f"duplicate key value\nDETAIL:  Key (api_key)=({MARK}) already exists.",
        f"null value in column\nDETAIL:  Failing row contains (1, bob, {MARK}, null).",
        f"(1062, \"Duplicate entry '{MARK}' for key 'users.password'\")",
        f'invalid input syntax for type integer: "{MARK}"',
        f"(1366, \"Incorrect integer value: '{MARK}' for column 'pin' at row 1\")",
        # pragma: allowlist nextline secret
        f"-----BEGIN RSA PRIVATE KEY-----\n{MARK}\n-----END RSA PRIVATE KEY-----",
        f"eyJhbGciOiJIUzI1NiJ9.eyJ{MARK}.sig{MARK}",
        f"sk_live_{MARK}, ghp_{MARK}abcdefgh, xoxb-{MARK}-1234567",
        f"API key: {MARK}",
        f"SET PASSWORD FOR bob = PASSWORD('{MARK}')",
        f'runSqlQuery("mysql://admin:G3&%{MARK}@localhost/db?new_link=true")',
        f"UPDATE users SET password = $2y$10${MARK} WHERE id = 7",
        f"env MYSQL_PWD={MARK} mysqldump",
        f"redis://:{MARK}@cache/0 and amqp://guest:{MARK}/x@broker//",
        f"{{'cookies': {{'a': '{MARK}'}}}}",
    ],
)
def test_shapes(message: str) -> None:
    """Values that databases quote, and tokens of well-known kinds."""
    assert MARK not in redaction.clean(message)


def test_card_numbers() -> None:
    """A number that passes the check of cards is hidden; other long numbers are not."""
    assert redaction.clean("card 4111 1111-1111 1111 declined") == "card [REDACTED] declined"
    assert redaction.clean("order 4111111111111112") == "order 4111111111111112"


@pytest.mark.parametrize(
    "message",
    [
        "division by zero",
        'connection to server at "db.internal" (10.0.0.5), port 5432 failed: timeout expired',
        "HTTPSConnectionPool(host='api.example', port=443): Max retries exceeded with url: /v1?a=1",
        "'NoneType' object has no attribute 'total'",
        "invalid literal for int() with base 10: 'abc'",
        "https://host:8080/path?next=/x, count: 5, [1, 2], {'a': 'b'}",
        "no such column: users.passport",
    ],
)
def test_harmless_messages(message: str) -> None:
    """A message without secrets stays as it is."""
    assert redaction.clean(message) == message


def test_the_apps_own_patterns() -> None:
    """``CHEST_REDACT`` holds for texts, too."""
    own = TextRedaction(Redaction(["email"]))
    assert own.clean("email=a@b.example, password=x") == "email=[REDACTED] password=x"


@given(st.text(st.sampled_from("passwordtoken=:'\"\\[](){}&@/ \n-,ey.0123456789"), max_size=300))
def test_any_text(message: str) -> None:
    """No text breaks it, and cleaning twice changes nothing but what is redacted again."""
    assert isinstance(redaction.clean(message), str)


@pytest.mark.parametrize(
    "part",
    [
        "password",
        "://",
        "://a:",
        "a=",
        "'",
        '\\"',
        "[parameters: ",
        "-----BEGIN PRIVATE KEY-----",  # pragma: allowlist secret
        "4 ",
        "Bearer ",
        "a.",
        "token '",
        "x" * 50 + " ",
    ],
)
def test_no_text_takes_long(part: str) -> None:
    """64 KiB of any pattern's beginning take a fraction of a second of CPU."""
    message = part * (65_536 // len(part))
    began = time.thread_time()
    redaction.clean(message)
    without_literals(message)
    without_literals(message, "mysql")
    assert time.thread_time() - began < 1


@given(value=SECRETS)
def test_literals_of_statements(value: str) -> None:
    """Texts in a statement become question marks, by the rules of each database."""
    doubled = value.replace("'", "''")
    assert MARK not in without_literals(f"select '{doubled}', x from t where a = 5")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')
    assert MARK not in without_literals(f"select '{escaped}', \"{escaped}\"", "mysql")
    assert MARK not in without_literals(f"select E'{escaped}'", "postgresql")
    comment = value.replace("*/", "")
    assert MARK not in without_literals(f"select 1 /* {comment} */", "postgresql")


def test_statements_keep_their_shape() -> None:
    """Identifiers, parameters and keywords stay; white space becomes one space."""
    statement = 'SELECT "user".id,\n  t1.x FROM t WHERE id = $1 AND n IN (1, 2.5e3) AND :a = %(x)s'
    assert without_literals(statement) == (
        'SELECT "user".id, t1.x FROM t WHERE id = $1 AND n IN (?, ?) AND :a = %(x)s'
    )
