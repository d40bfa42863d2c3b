"""PostgreSQL databases, roles and clients with another encoding or another format of times."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.operations.background_retention import Maintenance
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query
from flask_chest.record.json_line import EPOCH
from flask_chest.testing import make_records
from tests.servers.postgresql import PostgreSQL

from .helpers import open_reader

pytestmark = pytest.mark.server

NAME, TEXT = "größe", "Grüße, \\ 1 € 😀 日本 \x00"
WRITTEN_OUT = "Grüße, \\ 1 \\u20ac \\U0001f600 \\u65e5\\u672c \\u2400"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


def make_database(server: PostgreSQL, encoding: str) -> str:
    """Create a database with an encoding; return its URL."""
    name = f"in_{encoding.lower()}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'".encode()
        )
    return f"{server.url.removesuffix('/chest')}/{name}"


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, client_encoding="UTF8") as connection:
        return connection.execute(query.encode()).fetchall()


def write_both_ways(url: str) -> None:
    """Write records with COPY, and with INSERT, which a repeated batch uses."""
    records = [
        replace(each, vars={NAME: TEXT}, route="/straße/€", error="€ 日本")
        for each in make_records(4)
    ]
    with closing(FlaskChestPostgreSQL(url)) as chest:
        chest.write(records[:2])
        chest.write(records)


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("UTF8", TEXT.replace("\x00", "\u2400")),
        ("SQL_ASCII", TEXT.replace("\x00", "\u2400")),
        ("LATIN1", WRITTEN_OUT),
        ("WIN1252", WRITTEN_OUT.replace("\\u20ac", "€")),
        ("EUC_JP", r"Grüße, \ 1 \u20ac \U0001f600 日本 \u2400"),
        ("EUC_TW", r"Gr\xfc\xdfe, \ 1 \u20ac \U0001f600 \u65e5\u672c \u2400"),
    ],
)
def test_encodings(server: PostgreSQL, encoding: str, expected: str) -> None:
    """Characters that the encoding of the database lacks are written out, and can be searched."""
    url = make_database(server, encoding)
    write_both_ways(url)
    chest = FlaskChestPostgreSQL(url)
    reader = open_reader(chest)
    found = reader.latest(9)
    assert [list(record.vars.values()) for record in found] == [[expected]] * 4
    since = found[0].time - timedelta(hours=1)
    query = Query(since=since, until=since + timedelta(hours=2))
    for condition in ("error=€ 日本", "route=/straße/€", f"{NAME}~€", f"{NAME}~grüße"):
        assert reader.count(query.filtered(parse_filter(condition))) == 4, condition
    reader.close()
    chest.close()


def test_codec_with_other_characters(server: PostgreSQL) -> None:
    """A batch with a character that only Python's codec has is stored in ASCII."""
    url = make_database(server, "EUC_KR")
    records = [replace(make_records(1)[0], vars={"text": text}) for text in "뷁가"]
    with closing(FlaskChestPostgreSQL(url)) as chest:
        chest.write(records)
        chest.write(records[:1])
    texts = {text for (text,) in ask(url, "SELECT vars ->> 'text' FROM chest_records")}
    assert texts == {r"\ubdc1", r"\uac00"}


@pytest.mark.parametrize("parameter", ["", "?client_encoding=LATIN1"])
def test_client_encoding(
    server: PostgreSQL, parameter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text is stored unchanged with any ``PGCLIENTENCODING``, also by INSERT."""
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    url = server.url
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS chest_records CASCADE")
    write_both_ways(url + parameter)
    expected = {NAME: TEXT.replace("\x00", "\u2400")}
    assert ask(url, "SELECT DISTINCT vars, route FROM chest_records") == [(expected, "/straße/€")]


def test_formats_of_a_role(server: PostgreSQL) -> None:
    """A role with another format of times and short numbers reads the same records."""
    with psycopg.connect(server.url) as connection:
        for statement in (
            "CREATE ROLE german SUPERUSER LOGIN PASSWORD 'secret'",
            "ALTER ROLE german SET DateStyle = 'German'",
            "ALTER ROLE german SET extra_float_digits = -5",
        ):
            connection.execute(statement.encode())
    chest = FlaskChestPostgreSQL(server.url.replace("chest:", "german:"), table="german_records")
    [record] = make_records(1)
    record = replace(record, duration_ms=0.1 + 0.2, time=record.time - timedelta(days=1))
    chest.write([record])
    reader = open_reader(chest)
    assert reader.latest(1) == [record]
    Maintenance([chest], None).run(threading.Event())
    Maintenance([chest], 1.0).run(threading.Event())
    assert reader.latest(1) == []
    whole = Query(since=EPOCH, until=record.time + timedelta(days=1))
    assert reader.answer(whole).whole.count == 1
    reader.close()
    chest.close()
