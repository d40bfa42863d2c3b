"""The archives of an app: one for each chest that can be read back."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..chests.base import Chest
from ..chests.default_reader import first_reader
from ..chests.drivers import require_driver
from ..chests.reader import Reader
from ..errors import ConfigError
from .engine import is_installed

if TYPE_CHECKING:
    from .store_archive import StoreArchive

_DEFAULT = "chest-archive"


class Archives:
    """Finds the archive of a chest.

    :param place: a folder or a URL; ``None`` if the app has no archive.
    :param retention: seconds that an archive keeps records; ``None`` keeps them forever.
    """

    def __init__(self, place: str | None, retention: float | None = None) -> None:
        self.place = place
        self.retention = retention

    def of(self, chest: Chest) -> StoreArchive | None:
        """The archive of a chest; ``None`` if it cannot have one."""
        if self.place is None or not self.has(chest):
            return None
        # Not loaded by a process that only serves requests.
        from .store_archive import StoreArchive

        return StoreArchive(chest, self.place)

    def first_reader(self, chests: Iterable[Chest], name: str | None = None) -> Reader:
        """A reader of the first chest that can be read back, and of its archive if it has one.

        :param name: the name of the only chest to consider.
        :raises ConfigError: no chest has this name, or no chest can be read back.
        """
        listed = list(chests)
        reader = first_reader(listed, name)
        for archive in self.by_name(listed, reader.name):
            return archive.reader(reader)
        return reader

    def by_name(self, chests: Iterable[Chest], name: str) -> list[StoreArchive]:
        """The archive of the chest with a name, in a list; empty if it has none."""
        found = (self.of(chest) for chest in chests if chest.name == name)
        return [each for each in found if each is not None]

    def protect(self, chest: Chest) -> None:
        """Let retention delete only archived rows of a chest."""
        if self.has(chest):
            chest.archived_ids = partial(self._archived_ids, chest)

    def has(self, chest: Chest) -> bool:
        """Whether a chest can have an archive."""
        return self.place is not None and type(chest).archive_source is not Chest.archive_source

    def _archived_ids(self, chest: Chest, hour: int) -> Container[str]:
        archive = self.of(chest)
        return () if archive is None else archive.archived_ids(hour)


def make_archives(
    setting: str | bool | None,
    instance_path: Path,
    retention: float | None,
    rows_retention: float | None,
) -> Archives:
    """Make the archives of an app from its settings.

    :param setting: the value of ``CHEST_ARCHIVE``.
    :param retention: the value of ``CHEST_ARCHIVE_RETENTION``.
    :param rows_retention: the value of ``CHEST_RETENTION``.
    :raises ConfigError: a library is missing, or the two retentions contradict each other.
    """
    if setting is False or (setting is None and not is_installed()):
        return Archives(None)
    place = _DEFAULT if setting is None else str(setting)
    if setting is not None and not is_installed():
        raise ConfigError(
            f'CHEST_ARCHIVE: {place!r} needs DuckDB: pip install "flask-chest[columns]", or set '
            "it to False"
        )
    if place.startswith("s3://"):
        require_driver("s3fs", "s3")
    elif "://" in place:
        require_driver("fsspec", "s3")
    else:
        place = str(instance_path / place)
    if retention is not None and (rows_retention is None or retention < rows_retention):
        raise ConfigError(
            f"CHEST_ARCHIVE_RETENTION: {retention:g} seconds is shorter than CHEST_RETENTION "
            f"({'forever' if rows_retention is None else f'{rows_retention:g} seconds'}), so the "
            "rows would be archived again; set CHEST_RETENTION to at most this time"
        )
    return Archives(place, retention)
