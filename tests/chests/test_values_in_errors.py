"""Tests that no error quotes a user's value or a control character, whatever a store answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pymysql
import pytest
from pymongo import MongoClient

from flask_chest.chests.base import Chest
from flask_chest.chests.http.chest import FlaskChestCustomWriter
from flask_chest.chests.influxdb.chest import FlaskChestInfluxDB
from flask_chest.chests.mongodb.chest import FlaskChestMongoDB
from flask_chest.chests.otlp.chest import FlaskChestOTLP
from flask_chest.chests.sql.mysql.chest import FlaskChestMySQL
from flask_chest.chests.sql.postgresql.chest import FlaskChestPostgreSQL
from flask_chest.errors import ChestError
from flask_chest.testing import make_records
from tests.servers.collector import TYPE, partial, status
from tests.servers.http import HTTPRecorder, Reply
from tests.servers.mariadb import MariaDB
from tests.servers.mongodb import MongoDB
from tests.servers.postgresql import PostgreSQL

VALUE = "alice@example.org"
# Escape, a C1 control, "right-to-left override", and a forged line.
HOSTILE = f"{VALUE}\x1b[2J\x9b2J\u202e\r\nERROR forged"
ALICE = replace(make_records(1)[0], vars={"email": HOSTILE})

JSON_BODY = json.dumps({"code": "invalid", "message": f"unable to parse '{HOSTILE}': bad"}).encode()
Answers = dict[str, tuple[Callable[[HTTPRecorder], Chest], Reply]]
ANSWERS: Answers = {
    f"{kind} {code}": (make, Reply(code, headers, body))
    for code in (400, 401, 413, 422, 500, 503)
    for kind, make, headers, body in (
        ("http", lambda each: FlaskChestCustomWriter(each.url), {}, HOSTILE.encode()),
        (
            "influxdb",
            lambda each: FlaskChestInfluxDB(url=each.url.removesuffix("/hook")),
            {"Content-Type": "application/json"},
            JSON_BODY,
        ),
        ("otlp", lambda each: FlaskChestOTLP(each.url), TYPE, status(HOSTILE)),
    )
}
ANSWERS["otlp warning"] = (
    lambda each: FlaskChestOTLP(each.url),
    Reply(200, TYPE, partial(0, HOSTILE)),
)
ANSWERS["otlp rejection"] = (
    lambda each: FlaskChestOTLP(each.url),
    Reply(200, TYPE, partial(1, HOSTILE)),
)


@pytest.fixture(scope="module")
def recorder() -> Iterator[HTTPRecorder]:
    with HTTPRecorder() as server:
        yield server


@pytest.mark.parametrize("answer", ANSWERS)
def test_answers(recorder: HTTPRecorder, answer: str, caplog: pytest.LogCaptureFixture) -> None:
    """What a server answers is in the log at level DEBUG only, on one line, and printable."""
    make, reply = ANSWERS[answer]
    recorder.replies.clear()
    recorder.replies.extend([reply] * 2)
    chest = make(recorder)
    with caplog.at_level(logging.DEBUG, "flask_chest"):
        message = error_of(chest) if reply.status != 200 or "rejection" in answer else ""
        if not message:
            chest.write([ALICE])
    chest.close()
    check_texts(message, caplog)


@pytest.mark.server
@pytest.mark.parametrize("store", ["postgresql", "mariadb", "mongodb"])
def test_databases(store: str, caplog: pytest.LogCaptureFixture) -> None:
    """A database that refuses a value quotes it, and the error has only the code."""
    with STORES[store]() as (chest, code):
        with caplog.at_level(logging.DEBUG, "flask_chest"):
            message = error_of(chest)
        chest.close()
    assert code in message
    assert VALUE in caplog.text, "the text of the store is logged at level DEBUG"
    check_texts(message, caplog)


def error_of(chest: Chest) -> str:
    with pytest.raises(ChestError) as caught:
        chest.write([ALICE])
    return str(caught.value)


def check_texts(message: str, caplog: pytest.LogCaptureFixture) -> None:
    assert VALUE not in message
    assert "forged" not in message
    assert message.isprintable()
    for line in caplog.records:
        assert line.message.isprintable()
        assert line.levelno == logging.DEBUG or VALUE not in line.message


@contextmanager
def _postgresql() -> Iterator[tuple[Chest, str]]:
    """A table with a column of the user that only takes numbers."""
    with PostgreSQL() as server:
        chest = FlaskChestPostgreSQL(server.url)
        chest.write(make_records(1))
        with psycopg.connect(server.url) as connection:
            connection.execute(
                "ALTER TABLE chest_records ADD email integer "
                "GENERATED ALWAYS AS ((vars->>'email')::integer) STORED"
            )
        yield chest, "InvalidTextRepresentation (22P02)"


@contextmanager
def _mariadb() -> Iterator[tuple[Chest, str]]:
    """A table with a column of the user that only takes dates."""
    with MariaDB() as server:
        chest = FlaskChestMySQL(server.url)
        chest.write(make_records(1))
        connection = pymysql.connect(
            host="127.0.0.1", port=server.port, user="chest", password="secret", database="chest"
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "ALTER TABLE chest_records ADD email date AS (JSON_VALUE(vars, '$.email')) STORED"
            )
        yield chest, "TRUNCATED_WRONG_VALUE"


@contextmanager
def _mongodb() -> Iterator[tuple[Chest, str]]:
    """A collection with a unique index of the user, which has the value already."""
    with MongoDB() as server:
        chest = FlaskChestMongoDB(server.url)
        [other] = make_records(1)
        chest.write([replace(other, vars=ALICE.vars)])
        with MongoClient[dict[str, object]](server.url) as client:
            client.chest.chest_records.create_index("vars.email", unique=True)
        yield chest, "code 11000"


STORES = {"postgresql": _postgresql, "mariadb": _mariadb, "mongodb": _mongodb}
