"""The per-process holder of a store's client."""

from __future__ import annotations

import pytest

from flask_chest.chests.drivers import require_driver
from flask_chest.chests.per_process_client import PerProcessClient
from flask_chest.errors import ConfigError

from .test_fork import in_child


class Recorded:
    """Makes numbered clients, and records which ones were closed or dropped."""

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.dropped: list[int] = []
        self.holder = PerProcessClient(self._make, self.closed.append, self.dropped.append)

    def _make(self) -> int:
        self.made += 1
        return self.made


def test_made_once() -> None:
    """The first call makes the client, and later calls return the same one."""
    recorded = Recorded()
    assert recorded.made == 0
    assert [recorded.holder.get(), recorded.holder.get()] == [1, 1]


def test_close() -> None:
    """A closed client is replaced by a new one; closing twice closes once."""
    recorded = Recorded()
    recorded.holder.get()
    recorded.holder.close()
    recorded.holder.close()
    assert recorded.closed == [1]
    assert recorded.dropped == []
    assert recorded.holder.get() == 2


def test_failed_make() -> None:
    """If a client cannot be made, the error is raised and the next call tries again."""
    failures = [OSError("refused")]

    def make() -> str:
        if failures:
            raise failures.pop()
        return "client"

    holder = PerProcessClient(make, close=str.upper)
    with pytest.raises(OSError, match="refused"):
        holder.get()
    assert holder.get() == "client"


@pytest.mark.parametrize("use", ["get", "close"])
def test_fork(use: str) -> None:
    """A forked child drops its parent's client without closing it; the parent keeps its own."""
    recorded = Recorded()
    recorded.holder.get()

    def work() -> None:
        getattr(recorded.holder, use)()
        assert recorded.closed == []
        assert recorded.dropped == [1]
        assert recorded.holder.get() == 2

    assert in_child(work) == 0
    assert recorded.holder.get() == 1
    assert recorded.dropped == []


@pytest.mark.parametrize("module", ["no_such_driver", "no_such_driver.proto"])
def test_missing_driver(module: str) -> None:
    """A missing driver is reported with the command that installs it."""
    require_driver("flask", "all")
    with pytest.raises(ConfigError, match=r'pip install "flask-chest\[extra\]"'):
        require_driver(module, "extra")
