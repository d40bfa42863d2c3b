"""The ledger: captured = delivered + pending + rejected + lost, per chest, lost by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """What became of the records of one chest.

    :param delivered: accepted by the backend.
    :param pending: captured and neither accepted nor given up.
    :param rejected: never to be accepted; they lie in ``dead/``, but for those that the backend did
        not name.
    :param lost: gone for good, by reason.
    """

    delivered: int = 0
    pending: int = 0
    rejected: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def captured(self) -> int:
        """All that were handed over for this chest."""
        return self.delivered + self.pending + self.rejected + self.lost.total()

    def add(self, other: Account) -> None:
        """Take another account's numbers in."""
        self.delivered += other.delivered
        self.pending += other.pending
        self.rejected += other.rejected
        self.lost.update(other.lost)

    def to_dict(self) -> dict[str, Any]:
        """As ``stats()`` shows it."""
        return {
            "captured": self.captured,
            "delivered": self.delivered,
            "pending": self.pending,
            "rejected": self.rejected,
            "lost": dict(self.lost),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Account:
        """From a file; what is not there is zero."""
        return cls(
            delivered=int(values.get("delivered", 0)),
            pending=int(values.get("pending", 0)),
            rejected=int(values.get("rejected", 0)),
            lost=Counter({str(name): int(n) for name, n in values.get("lost", {}).items()}),
        )


class Ledger:
    """One account per chest."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}

    def account(self, chest: str) -> Account:
        """The account of a chest, opened when it is first asked for."""
        return self.accounts.setdefault(chest, Account())

    def add(self, other: Ledger) -> None:
        """Take another ledger's numbers in."""
        for chest, account in other.accounts.items():
            self.account(chest).add(account)

    def to_dict(self) -> dict[str, Any]:
        """As ``stats()`` shows it."""
        return {chest: account.to_dict() for chest, account in self.accounts.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Ledger:
        """From a file."""
        made = cls()
        made.accounts = {chest: Account.from_dict(each) for chest, each in values.items()}
        return made
