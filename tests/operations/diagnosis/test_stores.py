"""The findings of the diagnosis about stores."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from flask_chest import Chest, FlaskChestSQLite, Record
from flask_chest.chests.factory import make_chest
from flask_chest.operations.diagnosis.finding import Finding
from flask_chest.operations.diagnosis.stores import examine_stores

from ...servers.mariadb import MariaDB
from ...servers.mongodb import MongoDB
from ...servers.postgresql import PostgreSQL
from ...servers.redis import Redis


class Clocked(Chest):
    """A store whose clock is wrong, or that hangs: a simulation."""

    def __init__(self, skew: float, hang: threading.Event | None = None) -> None:
        super().__init__(name="clocked")
        self._skew, self._hang = skew, hang

    def write(self, records: Sequence[Record]) -> None:
        raise AssertionError("the diagnosis stores no record")

    def check(self) -> None:
        if self._hang is not None:
            self._hang.wait(60)

    def clock(self) -> float:
        return time.time() + self._skew


def examine(*chests: Chest, timeout: float = 30.0) -> list[Finding]:
    return list(examine_stores(chests, timeout))


def test_clocks() -> None:
    """A store's clock may differ by a few seconds."""
    [found] = examine(Clocked(3600))
    assert found.text == "the clock of its server is 3600 s ahead of this machine's"
    [found] = examine(Clocked(-7))
    assert found.text == "the clock of its server is 7 s behind this machine's"
    assert found.remedy == "timedatectl set-ntp true"
    [found] = examine(Clocked(1))
    assert not found.is_problem


def test_a_store_that_hangs() -> None:
    """A store without an answer delays the diagnosis until the deadline."""
    answer = threading.Event()
    [found] = examine(Clocked(0, answer), timeout=0.1)
    answer.set()
    assert found.text == "no answer within 0.1 s"


def test_sqlite(tmp_path: Path) -> None:
    """A file that does not exist is not created; a file of something else is a problem."""
    chest = FlaskChestSQLite(str(tmp_path / "new" / "chest.db"))
    assert [found.is_problem for found in examine(chest)] == [False]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "text.db").write_bytes(b"text" * 1000)
    [found] = examine(FlaskChestSQLite(str(tmp_path / "text.db")))
    assert "file is not a database" in found.text
    assert found.remedy == "name another file"


def test_an_own_clock_that_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that starts in 1970; simulated."""
    monkeypatch.setattr(time, "time", lambda: 100.0)
    assert [found.subject for found in examine()] == ["clock"]


@pytest.mark.server
@pytest.mark.parametrize("kind", [PostgreSQL, MariaDB, MongoDB, Redis])
def test_real_servers(kind: type) -> None:
    """Each server's clock is read as UTC, and the probe leaves no record."""
    with kind() as server:
        chest = make_chest(server.url)
        [found] = examine(chest)
        assert not found.is_problem, found
        now = chest.clock()
        assert now is not None
        assert abs(now - time.time()) < 5
        reader = chest.reader()
        if reader is not None:
            assert reader.latest(10) == []
            reader.close()
        chest.close()


@pytest.mark.server
def test_a_user_without_rights() -> None:
    """A user of PostgreSQL who may read the table but not write to it."""
    with PostgreSQL() as server:
        owner = make_chest(server.url)
        owner.check()
        owner.close()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE USER reader PASSWORD 'secret'")
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        chest = make_chest(server.url.replace("//chest:", "//reader:"))
        [found] = examine(chest)
        chest.close()
        assert found.is_problem
        assert "InsufficientPrivilege" in found.text
        assert found.remedy.startswith("grant this user")
