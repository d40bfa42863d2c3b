"""Tests the MongoDB chest against a server that speaks MongoDB's protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from bson.decimal128 import Decimal128
from pymongo import MongoClient

from flask_chest.chests.base import AppInfo
from flask_chest.chests.factory import make_chest
from flask_chest.chests.mongodb.chest import FlaskChestMongoDB
from flask_chest.errors import ConfigError, DeliveryError, RejectedError
from flask_chest.testing import check_chest, make_records
from tests.servers.certificates import PrivateCA
from tests.servers.mongodb import MongoDB
from tests.servers.named import url_of


@pytest.fixture(scope="module")
def server() -> Iterator[MongoDB]:
    with MongoDB() as server:
        yield server


@pytest.fixture(scope="module")
def url(request: pytest.FixtureRequest) -> str:
    return url_of(request, "CHEST_TEST_MONGODB_URL")


@pytest.fixture
def documents(url: str) -> Iterator[Any]:
    """A collection with a unique name, dropped after the test."""
    with MongoClient[dict[str, Any]](url) as client:
        collection = client.get_default_database("flask_chest")[f"chest_{uuid4().hex[:12]}"]
        yield collection
        collection.drop()


def chest_of(url: str, documents: Any, **arguments: Any) -> FlaskChestMongoDB:
    return FlaskChestMongoDB(url, collection=documents.name, **arguments)


@pytest.mark.server
def test_conforms(server: MongoDB, tmp_path: Path) -> None:
    """The chest passes the common suite, including a stopped and an unresponsive server."""

    def read() -> list[str]:
        with MongoClient[dict[str, Any]](server.url) as client:
            return [found["_id"] for found in client.chest.conform.find({}, ["_id"])]

    done = check_chest(
        lambda: FlaskChestMongoDB(server.url, collection="conform"),
        read=read,
        poison=replace(make_records(1)[0], vars={"text": "x" * (17 * 1024 * 1024)}),
        server=server,
        timeout=3,
    )
    assert len(done) == 6


@pytest.mark.server
def test_given_server_conforms(url: str, documents: Any) -> None:
    """The chest passes the part of the suite that does not disturb the user's own server."""
    if "CHEST_TEST_MONGODB_URL" not in os.environ:
        pytest.skip("CHEST_TEST_MONGODB_URL names no server")
    done = check_chest(
        lambda: chest_of(url, documents),
        read=lambda: [found["_id"] for found in documents.find({}, ["_id"])],
    )
    assert done == ("accepts", "ignores_duplicates", "closes")


@pytest.mark.server
def test_document(url: str, documents: Any) -> None:
    """A document has the record's fields, its id as _id, and its time as a date."""
    [record] = make_records(1)
    chest = chest_of(url, documents)
    chest.write([record])
    chest.close()
    [found] = documents.find()
    assert found["_id"] == record.id
    assert "id" not in found
    assert found["vars"] == record.vars
    naive = record.time.replace(tzinfo=None)
    assert naive - found["time"] < timedelta(milliseconds=1)
    assert {"kind", "method", "route", "status", "duration_ms", "tags"} <= found.keys()


@pytest.mark.server
def test_hostile_names_and_values(url: str, documents: Any) -> None:
    """Names with $ and . and integers of more than 63 bits are stored in a readable form."""
    values: dict[str, Any] = {"$where": "1", "a.b": {"$set": [{"c.d": 2**64 - 1}]}, "100%": 1}
    chest = chest_of(url, documents)
    chest.write([replace(make_records(1)[0], vars=values)])
    chest.close()
    [found] = documents.find()
    big = Decimal128(str(2**64 - 1))
    assert found["vars"] == {"%24where": "1", "a%2Eb": {"%24set": [{"c%2Ed": big}]}, "100%": 1}


@pytest.mark.server
def test_retention(url: str, documents: Any) -> None:
    """A TTL index follows the retention, and never deletes when no retention is set."""
    found = []
    for seconds in (3600.0, 7200.0, None):
        chest = chest_of(url, documents)
        chest.bind(AppInfo(instance_path=Path(), retention_seconds=seconds))
        chest.write(make_records(1))
        chest.close()
        found.append(documents.index_information()["chest_time"].get("expireAfterSeconds"))
    assert found == [3600, 7200, 2**31 - 1]


@pytest.mark.server
def test_duplicate_key_in_another_index(url: str, documents: Any) -> None:
    """A duplicate key in a unique index that the user added is rejected, not taken for a retry."""
    documents.create_index("route", unique=True)
    one, two = make_records(2)
    chest = chest_of(url, documents)
    with pytest.raises(RejectedError) as caught:
        chest.write([one, two])
    chest.close()
    assert caught.value.record_ids == frozenset([two.id])


@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([{"index": 0, "code": 121, "errmsg": "Document failed validation"}], RejectedError),
        ([{"index": 0, "code": 10107, "errmsg": "not primary"}], DeliveryError),
        ([{"index": 0, "code": 11000}], None),
    ],
)
def test_write_errors(errors: list[Any], raised: type[Exception] | None) -> None:
    """An invalid document is rejected; an error of the server is retried."""
    chest = FlaskChestMongoDB("mongodb://localhost")
    documents = [{"_id": "a"}]
    if raised is None:
        chest._raise_for_result({"writeErrors": errors}, documents)
        return
    with pytest.raises(raised):
        chest._raise_for_result({"writeErrors": errors}, documents)


def test_wrong_host() -> None:
    """The error for an unreachable server has chest, address and remedy, but no password."""
    chest = FlaskChestMongoDB("mongodb://me:hunter22@nowhere.invalid/db", name="orders")
    chest.bind(AppInfo(instance_path=Path(), timeout=0.5))
    with pytest.raises(DeliveryError, match="check host and port") as caught:
        chest.write(make_records(1))
    chest.close()
    for text in (str(caught.value), repr(chest)):
        assert "hunter22" not in text
    assert "chest 'orders' at mongodb://me@nowhere.invalid/db" in str(caught.value)


def test_wrong_password() -> None:
    """The error for a refused password has a remedy."""
    from pymongo.errors import OperationFailure

    chest = FlaskChestMongoDB("mongodb://me:hunter22@localhost/db")
    error = chest.to_delivery_error(OperationFailure("Authentication failed.", 18))
    assert "check user, password and 'authSource'" in str(error)


@pytest.mark.server
def test_private_ca(tmp_path: Path) -> None:
    """TLS with a private CA works; without the CA, or with another host name, it fails."""
    ca = PrivateCA(tmp_path)
    with MongoDB(ca.server_files("127.0.0.1")) as server:
        good = f"{server.url}?tls=true&tlsCAFile={ca.file}"
        wrong_name = good.replace("127.0.0.1", "localhost")
        for url, works in ((good, True), (f"{server.url}?tls=true", False), (wrong_name, False)):
            chest = make_chest(url)
            chest.bind(AppInfo(instance_path=Path(), timeout=20 if works else 3))
            if works:
                chest.write(make_records(1))
            else:
                with pytest.raises(DeliveryError, match=r"certificate|SSL"):
                    chest.write(make_records(1))
            chest.close()


@pytest.mark.parametrize(
    "arguments", [{"url": "mysql://h"}, {"url": "mongodb://h", "collection": "$"}]
)
def test_wrong_arguments(arguments: dict[str, str]) -> None:
    """Wrong arguments raise ConfigError in the constructor."""
    with pytest.raises(ConfigError):
        FlaskChestMongoDB(**arguments)


def test_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pymongo the constructor says which extra to install."""
    monkeypatch.setattr("flask_chest.chests.drivers.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "flask-chest\[mongodb\]"'):
        FlaskChestMongoDB("mongodb://localhost/db")
