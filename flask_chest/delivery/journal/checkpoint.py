"""A chest's checkpoint: how far it has read one writer's records, and their results."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..durable_files import read_json, replace_json, write_json
from ..ledger import Account
from .record_framing import MAGIC

#: The offset of a segment's first frame.
FIRST_OFFSET = len(MAGIC)


@dataclass(slots=True)
class Checkpoint:
    """The position of a chest in a partition, and the account of the records before it.

    :param path: the checkpoint's file.
    :param segment: the number of the segment.
    :param offset: the offset of the next frame in that segment.
    :param account: the results of the records before.
    """

    path: Path
    segment: int = 1
    offset: int = FIRST_OFFSET
    account: Account = field(default_factory=Account)

    @property
    def position(self) -> tuple[int, int]:
        """The segment and the offset."""
        return self.segment, self.offset

    def move(self, position: tuple[int, int]) -> None:
        """Set the position, in memory only."""
        self.segment, self.offset = position

    def save(self) -> None:
        """Write the checkpoint durably.

        :raises OSError: it could not be written.
        """
        try:
            replace_json(self.path, self._content())
        except OSError:
            # On a full disk there is no room for a second file, but the old one can be overwritten.
            write_json(self.path, self._content())

    def create(self) -> None:
        """Create the file, which reserves its space in case the disk is full later."""
        write_json(self.path, self._content())

    def _content(self) -> dict[str, Any]:
        return {"segment": self.segment, "offset": self.offset, "account": self.account.to_dict()}

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Return the saved checkpoint; the start of the partition if it is missing or damaged.

        The records are then sent again, which is harmless: stores recognize their ids.
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
