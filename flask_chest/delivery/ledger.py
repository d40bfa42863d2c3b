"""The ledger: captured = delivered + pending + rejected + lost, per chest, lost by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Account:
    """The numbers of one chest.

    :param delivered: records that the store accepted.
    :param pending: records that wait for delivery.
    :param rejected: records that the store will never accept. They are in ``dead/``, except those
        that the store did not name.
    :param lost: records that are gone for good, by reason.
    """

    delivered: int = 0
    pending: int = 0
    rejected: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def captured(self) -> int:
        """All records that were captured for this chest."""
        return self.delivered + self.pending + self.rejected + self.lost.total()

    def add(self, other: Account) -> None:
        """Add the numbers of another account."""
        self.delivered += other.delivered
        self.pending += other.pending
        self.rejected += other.rejected
        self.lost.update(other.lost)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as ``stats()`` shows them."""
        return {
            "captured": self.captured,
            "delivered": self.delivered,
            "pending": self.pending,
            "rejected": self.rejected,
            "lost": dict(self.lost),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Account:
        """Return the account that a file contains; missing numbers are zero."""
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
        """Return the account of a chest; create it if it is missing."""
        return self.accounts.setdefault(chest, Account())

    def add(self, other: Ledger) -> None:
        """Add the numbers of another ledger."""
        for chest, account in other.accounts.items():
            self.account(chest).add(account)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as ``stats()`` shows them."""
        return {chest: account.to_dict() for chest, account in self.accounts.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Ledger:
        """Return the ledger that a file contains."""
        ledger = cls()
        ledger.accounts = {chest: Account.from_dict(each) for chest, each in values.items()}
        return ledger
