"""How far a chest has come in one writer's records, and what became of those it has passed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..durable_files import read_json, replace_json, write_json
from ..ledger import Account
from .framing import MAGIC


@dataclass(slots=True)
class Checkpoint:
    """A chest's place, and its account so far.

    :param path: the file that keeps it.
    :param segment: the number of the segment.
    :param offset: where in it the next frame begins.
    :param account: what became of the records before.
    """

    path: Path
    segment: int = 1
    offset: int = len(MAGIC)
    account: Account = field(default_factory=Account)

    @property
    def position(self) -> tuple[int, int]:
        """Segment and offset."""
        return self.segment, self.offset

    def move(self, position: tuple[int, int]) -> None:
        """Go on from there; nothing is saved yet."""
        self.segment, self.offset = position

    def save(self) -> None:
        """Keep it durably.

        :raises OSError: it cannot be kept.
        """
        try:
            replace_json(self.path, self._content())
        except OSError:
            # A full disk: there is room where the old one lies.
            write_json(self.path, self._content())

    def make(self) -> None:
        """Make its file, so that there is room for it when the disk is full."""
        write_json(self.path, self._content())

    def _content(self) -> dict[str, Any]:
        return {"segment": self.segment, "offset": self.offset, "account": self.account.to_dict()}

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """The place as it was last saved; the beginning where it was not, or is damaged.

        Records are then sent again, which their ids make harmless.
        """
        saved = read_json(path)
        try:
            return cls(
                path,
                int(saved["segment"]),
                int(saved["offset"]),
                Account.from_dict(saved["account"]),
            )
        except (TypeError, KeyError, ValueError, AttributeError):
            return cls(path)
