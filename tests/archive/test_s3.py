"""An archive in an object store: moto's S3 server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

import s3fs
from moto.core import set_initial_no_auth_action_count
from moto.server import ThreadedMotoServer

from flask_chest import FlaskChestSQLite
from flask_chest.archive.archive import Archive
from flask_chest.archive.errors import ArchiveError
from flask_chest.archive.storage import ObjectStorage
from flask_chest.archive.store_archive import StoreArchive
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query

from ..chests.sql.helpers import make_sqlite_chest
from .source_suite import START, archived, same, sample, stored

pytestmark = pytest.mark.server

UNTIL = int(START.timestamp()) + 3 * 86400
WHOLE = Query(since=START - timedelta(days=9000), until=START + timedelta(days=9000))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer(port=0)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def options(server: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    filesystem = s3fs.S3FileSystem(endpoint_url=server)
    if not filesystem.exists("bucket"):
        filesystem.mkdir("bucket")
    return {"endpoint_url": server}


@pytest.fixture
def chest(tmp_path: Path) -> FlaskChestSQLite:
    return make_sqlite_chest(tmp_path)


def test_archive_prune_erase(chest: FlaskChestSQLite, options: dict[str, Any]) -> None:
    store = StoreArchive(chest, "s3://bucket/prefix", options)
    chest.archived_ids = store.archived_ids
    chest.write(sample(60))
    chest.write(sample(6, 102, START + timedelta(hours=1)))
    expected = stored(chest)
    assert store.maintain(UNTIL, None, threading.Event())
    source = chest.archive_source()
    archive = store.find(source)
    source.close()
    assert archive is not None
    assert same(archived(archive), expected)
    assert sum(chest.prune(START + timedelta(hours=2), threading.Event())) == 66
    query = Query(since=WHOLE.since, until=WHOLE.until, where=(parse_filter("user_id=42"),))
    person = {record.id for record in store.records(query)}
    assert sum(store.erase(query)) == len(person) > 10
    assert same(archived(archive), [each for each in expected if each.id not in person])
    (part,) = archive.snapshot().parts
    assert archive.storage.names("data") == [part.name]


def test_only_one_of_two_processes_adds_an_entry(options: dict[str, Any]) -> None:
    storage = ObjectStorage("s3://bucket/race", options)
    assert storage.create("log/000000000001.json", b"first")
    assert not storage.create("log/000000000001.json", b"second")
    assert storage.read("log/000000000001.json") == b"first"
    assert storage.read("log/000000000002.json") is None
    storage.delete("log/000000000001.json")
    storage.delete("log/000000000001.json")
    assert storage.names("log") == []


def test_a_missing_bucket_is_named(options: dict[str, Any], chest: FlaskChestSQLite) -> None:
    chest.write(sample(3))
    store = StoreArchive(chest, "s3://missing/prefix", options)
    with pytest.raises(ArchiveError, match=r"s3://missing/prefix/.*(bucket|rights)"):
        store.maintain(UNTIL, None, threading.Event())
    assert len(stored(chest)) == 3


def test_a_bucket_without_rights_is_named(server: str, chest: FlaskChestSQLite) -> None:
    """Anonymous access to a private bucket is denied, and nothing is pruned."""
    options = {"endpoint_url": server, "key": "nobody", "secret": "nothing"}
    chest.write(sample(3))
    store = StoreArchive(chest, "s3://bucket/denied", options)
    chest.archived_ids = store.archived_ids

    def prune() -> None:
        sum(chest.prune(START + timedelta(hours=1), threading.Event()))

    with pytest.raises(ArchiveError, match=r"s3://bucket/denied/.*rights"):
        set_initial_no_auth_action_count(0)(prune)()
    assert len(stored(chest)) == 3


def test_a_server_that_does_not_answer_is_named(chest: FlaskChestSQLite) -> None:
    options = {
        "endpoint_url": "http://127.0.0.1:9",
        "key": "key-of-mine",
        "secret": "secret-of-mine",
        "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 2},
    }
    archive = Archive(ObjectStorage("s3://bucket/prefix", options))
    with pytest.raises(ArchiveError, match="check the address") as caught:
        archive.snapshot()
    assert "mine" not in str(caught.value)
