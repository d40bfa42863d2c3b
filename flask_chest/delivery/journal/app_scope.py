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
    :param root_path: the folder of the app's code, which tells apps of one name apart.
    :param instance_path: the app's instance folder, likewise.
    """

    root: Path
    app_name: str = ""
    chests: tuple[str, ...] = ()
    locations: Mapping[str, str] = field(default_factory=dict)
    root_path: str = ""
    instance_path: str = ""

    def __post_init__(self) -> None:
        # All of these are stored as JSON, and each may have been made from a path.
        for name in ("app_name", "root_path", "instance_path"):
            object.__setattr__(self, name, storable_text(getattr(self, name)))
        locations = {name: storable_text(location) for name, location in self.locations.items()}
        object.__setattr__(self, "locations", locations)


def storable_text(text: str) -> str:
    r"""Return a text that can be encoded as UTF-8.

    :param text: a path, for example. Its bytes that are not text are shown as ``\xff``.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text
