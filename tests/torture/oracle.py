"""Checks that the stores and the ledger have exactly the answered requests."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.ledger_of_all_processes import read_ledger
from flask_chest.delivery.ledger import Account
from tests.waiting import wait_until

from .app import proof_of
from .store import FaultyStore

APP_NAME = "tortured"


class Oracle:
    """Compares the answered requests with the stores and the ledger.

    :param instance: the app's instance folder, with ``chest.db`` and the journal in it.
    :param store: the store over HTTP, named ``web``; the other one is SQLite.
    """

    def __init__(self, instance: Path, store: FaultyStore | None = None) -> None:
        self.instance = instance
        self.store = store

    def account(self, chest: str) -> Account:
        """Return a chest's account of all processes, and check that it balances."""
        found = read_ledger(JournalScope(self.instance / "chest-journal", APP_NAME)).account(chest)
        parts = found.delivered + found.pending + found.rejected + found.lost.total()
        assert found.captured == parts
        assert min(found.delivered, found.pending, found.rejected, *found.lost.values(), 0) == 0
        return found

    def accounts(self) -> dict[str, Account]:
        names = ["sqlite"] if self.store is None else ["sqlite", "web"]
        return {name: self.account(name) for name in names}

    def wait_until_delivered(self) -> None:
        """Wait until no record is pending in any process."""
        wait_until(
            lambda: not any(each.pending for each in self.accounts().values()), self.describe
        )

    def idents(self) -> dict[str, list[str]]:
        """Return the request ids that each store has."""
        found = {"sqlite": self._rows()}
        if self.store is not None:
            for record in self.store.records.values():
                assert record["vars"]["proof"] == proof_of(record["vars"]["ident"])
            found["web"] = self.store.idents()
        return found

    def check(self, answered: Iterable[str], lost: int = 0) -> None:
        """Check that every answered request is in every store once, intact, and in the ledger.

        :param lost: how many answered requests may be lost.
        """
        expected = set(answered)
        for chest, idents in self.idents().items():
            account = self.account(chest)
            assert not [each for each, times in Counter(idents).items() if times > 1], chest
            assert len(expected - set(idents)) <= min(lost, account.lost.total()), (chest, account)
            assert account.delivered == len(idents), (chest, account, len(idents))

    def describe(self) -> str:
        return str(self.accounts())

    def _rows(self) -> list[str]:
        file = self.instance / "chest.db"
        if not file.exists():
            return []
        with closing(sqlite3.connect(file, timeout=30)) as database:
            made = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'chest_records'")
            if made.fetchone() is None:
                return []
            rows = database.execute("SELECT request_id, vars FROM chest_records").fetchall()
        for ident, values in rows:
            assert json.loads(values) == {"ident": ident, "proof": proof_of(ident)}
        return [ident for ident, _ in rows]
