"""Names one app's part of a journal folder: the app, its chests and their stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class JournalScope:
    """One app's part of a journal. Several apps may use the same folder.

    :param root: the journal's folder.
    :param app_name: the app; readers skip the records of other apps.
    :param chests: the names of the app's chests; their order sets the bits of a record's mask.
    :param locations: the location of each chest's store by chest name, if the chest knows it. A
        chest that is renamed is found again by its location.
    """

    root: Path
    app_name: str = ""
    chests: tuple[str, ...] = ()
    locations: Mapping[str, str] = field(default_factory=dict)
