"""Tests relay processes with real servers, which the tests kill, pause and restart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import redis

from flask_chest.chests.factory import make_chest
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.chests.sql.server_chest import ServerChest
from flask_chest.delivery.dead_letters import DeadLetters
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.ledger_of_all_processes import read_ledger
from flask_chest.record.record import Record
from flask_chest.testing import make_records
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import DURABLE, Redis
from tests.waiting import wait_until

from .relay_process import Relay


class RelayedStream:
    """A stream, the database that gets its records, and the ids of the records sent."""

    def __init__(self, stream: Redis, database: PostgreSQL) -> None:
        self.stream = stream
        self.database = database
        self.sent: list[str] = []
        self.chest = FlaskChestRedis(stream.url)
        self.client = redis.Redis(port=stream.port)

    def send(self, records: Sequence[Record]) -> None:
        self.chest.write(records)
        self.sent += [record.id for record in records]

    def stored(self) -> Counter[str]:
        with suppress(psycopg.Error), psycopg.connect(self.database.url) as connection:
            return Counter(found for (found,) in connection.execute("SELECT id FROM chest_records"))
        return Counter()

    def wait_until_stored(self, describe: Callable[[], str]) -> None:
        wait_until(lambda: len(self.stored()) >= len(self.sent), describe)

    def expect_all_once(self) -> None:
        assert self.stored() == Counter(self.sent)

    def pending(self) -> int:
        return sum(group["pending"] for group in self.client.xinfo_groups("chest"))

    def undelivered(self) -> int:
        return sum(group["pending"] + group["lag"] for group in self.client.xinfo_groups("chest"))

    def close(self) -> None:
        self.chest.close()
        self.client.close()


@pytest.fixture(scope="module")
def stream() -> Iterator[Redis]:
    with Redis(*DURABLE) as stream:
        yield stream


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with PostgreSQL() as database:
        yield database


@pytest.fixture
def relayed(stream: Redis, database: PostgreSQL) -> Iterator[RelayedStream]:
    """An empty stream and an empty database."""
    with closing(RelayedStream(stream, database)) as relayed:
        relayed.client.flushall()
        with psycopg.connect(database.url) as connection:
            connection.execute("DROP TABLE IF EXISTS chest_records CASCADE")
            connection.execute("DROP TABLE IF EXISTS chest_schema")
        yield relayed


@pytest.mark.server
def test_two_relays_one_killed(relayed: RelayedStream, tmp_path: Path) -> None:
    """One relay delivers the entries of the killed one: each record is stored exactly once."""
    words = (relayed.stream.url, relayed.database.url, "--claim-after", "2")
    (tmp_path / "other").mkdir()
    with Relay(tmp_path, *words) as one, Relay(tmp_path / "other", *words) as other:
        for _ in range(10):
            relayed.send(make_records(300))
        wait_until(lambda: len(relayed.stored()) > 500, one.log)
        # The relay now has a batch that it has not delivered, or not acknowledged.
        relayed.database.pause()
        # New records, so that both relays have some: the earlier ones may all be stored by now.
        relayed.send(make_records(300))
        wait_until(lambda: relayed.pending() >= 200, one.log)
        one.kill()
        relayed.database.resume()
        relayed.wait_until_stored(other.log)
        wait_until(lambda: not relayed.pending(), other.log)
        assert " rejected, 0 lost" in other.stop()
    relayed.expect_all_once()


@pytest.mark.server
def test_suspended_relay(relayed: RelayedStream, tmp_path: Path) -> None:
    """Another relay claims the entries of a suspended relay; resuming it does no harm."""
    words = (relayed.stream.url, relayed.database.url, "--claim-after", "2")
    (tmp_path / "other").mkdir()
    relayed.send(make_records(500))
    relayed.database.pause()
    with Relay(tmp_path, *words) as one:
        wait_until(lambda: relayed.client.exists("chest") and relayed.pending() > 0, one.log)
        one.suspend()
        relayed.database.resume()
        with Relay(tmp_path / "other", *words) as other:
            relayed.wait_until_stored(other.log)
            one.resume()
            wait_until(lambda: not relayed.pending(), other.log)
            assert "0 lost" in one.stop()
    relayed.expect_all_once()


@pytest.mark.server
def test_store_and_stream_restart(relayed: RelayedStream, tmp_path: Path) -> None:
    """A relay survives restarts of store and stream, and logs what is unreachable."""
    with Relay(tmp_path, relayed.stream.url, relayed.database.url) as relay:
        relayed.send(make_records(300))
        relayed.wait_until_stored(relay.log)
        relayed.stream.stop()
        relay.wait_until_logged("records cannot be read")
        relayed.stream.start()
        relayed.database.stop()
        relayed.send(make_records(300))
        relay.wait_until_logged("chest 'postgresql': delivery failed")
        relayed.stream.stop()
        relayed.stream.start()
        relayed.database.start()
        relayed.wait_until_stored(relay.log)
        wait_until(lambda: not relayed.pending(), relay.log)
        assert relay.stop().startswith("stopped; 600 delivered, 0 rejected, 0 lost")
    relayed.expect_all_once()
    text = relay.log()
    assert "check host and port" in text
    assert "secret" not in text


def refuse_status(url: str, status: int) -> None:
    """Create the tables, and a constraint that a record with this status violates."""
    chest = make_chest(url)
    assert isinstance(chest, ServerChest)
    with closing(chest), chest.engine().begin() as connection:
        connection.exec_driver_sql(
            f"ALTER TABLE chest_records ADD CONSTRAINT refused CHECK (status <> {status})"
        )


@pytest.mark.server
def test_rejected_records_and_foreign_entries(relayed: RelayedStream, tmp_path: Path) -> None:
    """They are stored as dead letters; all other records are delivered."""
    records = make_records(100)
    bad = replace(records[40], status=418)
    refuse_status(relayed.database.url, 418)
    relayed.send([*records[:40], *records[41:]])
    relayed.chest.write([bad])
    relayed.client.xadd("chest", {"what": "ever"})
    with Relay(tmp_path, relayed.stream.url, relayed.database.url) as relay:
        relayed.wait_until_stored(relay.log)
        wait_until(lambda: not relayed.pending(), relay.log)
        assert relay.stop().startswith("stopped; 99 delivered, 2 rejected, 0 lost")
    relayed.expect_all_once()
    root = tmp_path / "chest-journal"
    [letter] = DeadLetters(JournalScope(root), "postgresql").read()
    assert bad.id in letter.line.decode()
    assert read_ledger(JournalScope(root, "tortured")).account("postgresql").rejected == 1
    [foreign] = DeadLetters(JournalScope(root), "redis strangers").read()
    assert "it has no field 'record'" in foreign.reason
    assert "name another one: ?stream=" in relay.log()


@pytest.mark.server
def test_trimmed_entries_add_up(relayed: RelayedStream, tmp_path: Path) -> None:
    """Stored and lost records add up to the sent ones, also after Redis was killed."""
    capped = FlaskChestRedis(relayed.stream.url, maxlen=500)
    with closing(capped), Relay(tmp_path, relayed.stream.url, relayed.database.url) as relay:
        relayed.send(make_records(300))
        relayed.wait_until_stored(relay.log)
        relayed.database.pause()
        for _ in range(4):
            capped.write(make_records(500))
        relayed.stream.stop()
        relayed.stream.start()
        capped.write(make_records(500))
        relayed.database.resume()
        relay.wait_until_logged("records are lost (trimmed)")
        wait_until(lambda: not relayed.undelivered(), relay.log)
        lost = re.search(r" (\d+) lost", relay.stop())
    assert lost is not None
    assert 0 < int(lost[1]) == 300 + 2500 - len(relayed.stored())
