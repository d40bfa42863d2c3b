"""``flask chest relay``: whole processes, real servers, and what is done to them."""

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
from click.testing import Result

from flask_chest import FlaskChest
from flask_chest.app.state import get_state
from flask_chest.chests.redis.chest import FlaskChestRedis
from flask_chest.cli.relay import assign_unique_name, find_chests, relay
from flask_chest.delivery.dead_letters import DeadLetters
from flask_chest.delivery.journal.scope import JournalScope
from flask_chest.delivery.journal.totals import read_ledger
from flask_chest.record.record import Record
from flask_chest.testing import make_records
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import DURABLE, Redis
from tests.torture.app import make_torture_app
from tests.waiting import wait_until

from .relay_process import Relay


class Place:
    """A stream, a database, and what went into the one and came out of the other."""

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

    def wait_until_stored(self, tell: Callable[[], str]) -> None:
        wait_until(lambda: len(self.stored()) >= len(self.sent), tell)

    def expect_all_once(self) -> None:
        assert self.stored() == Counter(self.sent)

    def pending(self) -> int:
        return sum(group["pending"] for group in self.client.xinfo_groups("chest"))

    def behind(self) -> int:
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
def place(stream: Redis, database: PostgreSQL) -> Iterator[Place]:
    """The stream and the database, both empty."""
    with closing(Place(stream, database)) as place:
        place.client.flushall()
        with psycopg.connect(database.url) as connection:
            connection.execute("DROP TABLE IF EXISTS chest_records CASCADE")
            connection.execute("DROP TABLE IF EXISTS chest_schema")
        yield place


@pytest.mark.server
def test_two_relays_one_killed(place: Place, tmp_path: Path) -> None:
    """What the killed one had in hand the other one brings: nothing is lost, nothing twice."""
    words = (place.stream.url, place.database.url, "--claim-after", "2")
    (tmp_path / "other").mkdir()
    with Relay(tmp_path, *words) as one, Relay(tmp_path / "other", *words) as other:
        for _ in range(10):
            place.send(make_records(300))
        wait_until(lambda: len(place.stored()) > 500, one.told)
        # In the midst of things: a batch is in its hands, or in the database and not acknowledged.
        place.database.pause()
        # For both to have something in their hands: all before may be stored by now.
        place.send(make_records(300))
        wait_until(lambda: place.pending() >= 200, one.told)
        one.kill()
        place.database.resume()
        place.wait_until_stored(other.told)
        wait_until(lambda: not place.pending(), other.told)
        assert " rejected, 0 lost" in other.end()
    place.expect_all_once()


@pytest.mark.server
def test_a_relay_that_hangs_and_comes_back(place: Place, tmp_path: Path) -> None:
    """Its entries went to another one meanwhile; what it then does is harmless."""
    words = (place.stream.url, place.database.url, "--claim-after", "2")
    (tmp_path / "other").mkdir()
    place.send(make_records(500))
    place.database.pause()
    with Relay(tmp_path, *words) as one:
        wait_until(lambda: place.client.exists("chest") and place.pending() > 0, one.told)
        one.freeze()
        place.database.resume()
        with Relay(tmp_path / "other", *words) as other:
            place.wait_until_stored(other.told)
            one.go_on()
            wait_until(lambda: not place.pending(), other.told)
            assert "0 lost" in one.end()
    place.expect_all_once()


@pytest.mark.server
def test_store_and_stream_go_away(place: Place, tmp_path: Path) -> None:
    """A relay outlives both being killed and started again, and tells what it waits for."""
    with Relay(tmp_path, place.stream.url, place.database.url) as carrier:
        place.send(make_records(300))
        place.wait_until_stored(carrier.told)
        place.stream.stop()
        carrier.wait_until_told("records cannot be read")
        place.stream.start()
        place.database.stop()
        place.send(make_records(300))
        carrier.wait_until_told("chest 'postgresql': delivery failed")
        place.stream.stop()
        place.stream.start()
        place.database.start()
        place.wait_until_stored(carrier.told)
        wait_until(lambda: not place.pending(), carrier.told)
        assert carrier.end().startswith("stopped; 600 delivered, 0 rejected, 0 lost")
    place.expect_all_once()
    told = carrier.told()
    assert "check host and port" in told
    assert "secret" not in told


@pytest.mark.server
def test_bad_records_and_strangers(place: Place, tmp_path: Path) -> None:
    """They go where delivery's dead letters lie, alone; the rest arrives."""
    records = make_records(100)
    bad = replace(records[40], status=2**40)
    place.send([*records[:40], *records[41:]])
    place.chest.write([bad])
    place.client.xadd("chest", {"what": "ever"})
    with Relay(tmp_path, place.stream.url, place.database.url) as carrier:
        place.wait_until_stored(carrier.told)
        wait_until(lambda: not place.pending(), carrier.told)
        assert carrier.end().startswith("stopped; 99 delivered, 2 rejected, 0 lost")
    place.expect_all_once()
    root = tmp_path / "chest-journal"
    [letter] = DeadLetters(JournalScope(root), "postgresql").read()
    assert bad.id in letter.line.decode()
    assert read_ledger(JournalScope(root, "tortured")).account("postgresql").rejected == 1
    [strange] = DeadLetters(JournalScope(root), "redis strangers").read()
    assert "it has no field 'record'" in strange.reason
    assert "name another one: ?stream=" in carrier.told()


@pytest.mark.server
def test_what_the_cap_costs_adds_up(place: Place, tmp_path: Path) -> None:
    """What was sent is what is stored and what was told as lost, also when Redis was killed."""
    capped = FlaskChestRedis(place.stream.url, maxlen=500)
    with closing(capped), Relay(tmp_path, place.stream.url, place.database.url) as carrier:
        place.send(make_records(300))
        place.wait_until_stored(carrier.told)
        place.database.pause()
        for _ in range(4):
            capped.write(make_records(500))
        place.stream.stop()
        place.stream.start()
        capped.write(make_records(500))
        place.database.resume()
        carrier.wait_until_told("records are lost (trimmed)")
        wait_until(lambda: not place.behind(), carrier.told)
        lost = re.search(r" (\d+) lost", carrier.end())
    assert lost is not None
    assert 0 < int(lost[1]) == 300 + 2500 - len(place.stored())


def invoke(folder: Path, *words: str) -> Result:
    app = make_torture_app(folder, CHEST_CHESTS=["memory://", "redis://127.0.0.1:1/0"])
    result = app.test_cli_runner().invoke(relay, words)
    extension: FlaskChest = app.extensions["chest"]
    extension.close()
    return result


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("sqlite:///x.db", "memory", "expected redis:// or rediss://"),
        ("redis", "redis", "SOURCE and TARGET are the same stream"),
        ("redis://127.0.0.1/0?steam=x", "memory", "did you mean 'stream'"),
        ("redis", "rediss", "TARGET: CHEST_CHESTS has no chest 'rediss'; it has 'memory', 'redis'"),
        ("redis", "mysq://h", "TARGET: unknown scheme 'mysq'; did you mean 'mysql'"),
    ],
)
def test_wrong_words(tmp_path: Path, source: str, target: str, told: str) -> None:
    """What cannot be relayed is told at once."""
    result = invoke(tmp_path, source, target)
    assert result.exit_code != 0
    assert told in result.output


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("sqlite:///own.db", "own"),
        ("sqlite:///other.db", "sqlite-2"),
        ("sqlite:///chest.db", "sqlite"),
        ("memory://", "memory"),
        ("own", "own"),
    ],
)
def test_whose_dead_letters(tmp_path: Path, target: str, name: str) -> None:
    """What a target refuses is not sent again to another chest that has its name in the app."""
    own = {"url": "sqlite:///own.db", "name": "own"}
    app = make_torture_app(
        tmp_path, CHEST_CHESTS=[own, "sqlite:///chest.db", "redis://127.0.0.1:1/0"]
    )
    state = get_state(app)
    _, store = find_chests(state, "redis", target)
    assign_unique_name(state, store)
    assert store.name == name
