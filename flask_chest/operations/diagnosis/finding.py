"""``Finding``: one result of the diagnosis."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of the diagnosis.

    :param subject: the thing that was examined, e.g. ``"journal"``.
    :param text: what was found.
    :param remedy: the line to write, or the command to run; empty if there is nothing to do.
    :param is_problem: whether records are lost or delayed, or will be. Otherwise it is a note.
    """

    subject: str
    text: str
    remedy: str = ""
    is_problem: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-able values."""
        return asdict(self)


def note(subject: str, text: str, remedy: str = "") -> Finding:
    """Return a finding that is no problem."""
    return Finding(subject, text, remedy, is_problem=False)
