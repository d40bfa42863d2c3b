"""A writer's description: the app that wrote a folder, its chests and their stores."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..durable_files import read_json, write_json
from .app_scope import JournalScope

#: The version in ``writer.json``. Folders of another version are left alone.
VERSION = 1

#: Two copies, since the records of a writer cannot be delivered without its description.
DESCRIPTION_NAMES = ("writer.json", "writer.copy.json")


class ForeignFolderError(Exception):
    """A folder in the journal that this version of Flask-Chest cannot deliver."""


@dataclass(frozen=True, slots=True)
class Description:
    """The contents of a folder's files ``writer.json``.

    :param app_name: the app's name.
    :param chests: the names of its chests, in the order of the bits of a record's mask.
    :param locations: the location of each chest's store, if the chest knows it.
    :param root_path: the folder of the app's code; empty if an older version wrote the file.
    :param instance_path: the app's instance folder; empty likewise.
    """

    app_name: str = ""
    chests: tuple[str, ...] = ()
    locations: Mapping[str, str] = field(default_factory=dict)
    root_path: str = ""
    instance_path: str = ""

    @classmethod
    def read(cls, folder: Path) -> Description:
        """Return the description of a folder.

        :raises ForeignFolderError: another version wrote the folder, or both copies are damaged.
        :raises FileNotFoundError: another process is removing the folder.
        :raises OSError: it cannot be read.
        """
        content = _read_any(folder)
        if content is None and not is_writer_folder(folder):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
        if content is None or content.get("version") != VERSION:
            raise ForeignFolderError(
                f"{folder} was written by another version of Flask-Chest, or its description is "
                "damaged; it is kept for a version that can deliver it"
            )
        return cls(
            str(content.get("owner", "")),
            tuple(content.get("chests", ())),
            content.get("stores", {}),
            str(content.get("root_path", "")),
            str(content.get("instance_path", "")),
        )

    @staticmethod
    def write(folder: Path, scope: JournalScope) -> None:
        """Describe this process as the writer of a folder.

        :raises OSError: the files cannot be written.
        """
        content = {
            "version": VERSION,
            "pid": os.getpid(),
            "owner": scope.app_name,
            "chests": list(scope.chests),
            "stores": dict(scope.locations),
            "root_path": scope.root_path,
            "instance_path": scope.instance_path,
        }
        for name in DESCRIPTION_NAMES:
            write_json(folder / name, content)

    def belongs_to(self, scope: JournalScope) -> bool:
        """Return whether an app wrote the folder.

        Many apps have the name ``app``, so the name alone does not tell. A service whose code,
        instance folder and stores are all different is another one. An app that was moved keeps its
        stores, and an app whose store was moved keeps its folders.
        """
        if self.app_name != scope.app_name:
            return False
        if self.has_stores_of(scope) or not (self.root_path and scope.root_path):
            return True
        return self.root_path == scope.root_path or self.instance_path == scope.instance_path

    def has_stores_of(self, scope: JournalScope) -> bool:
        """Return whether an app has all stores whose locations the writer knew."""
        return {*self.locations.values()} <= {*scope.locations.values()}


def is_writer_folder(folder: Path) -> bool:
    """Return whether a folder has a description, which may be damaged."""
    try:
        # One of the two is enough.
        return any((folder / name).exists() for name in DESCRIPTION_NAMES)
    except OSError:
        return False  # a folder that this user may not look into


def is_readable(folder: Path) -> bool:
    """Return whether this user may read a folder and its description."""
    try:
        _read_any(folder)
        next(folder.iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        return True  # another process has just removed it
    except OSError:
        return False
    return True


def _read_any(folder: Path) -> dict[str, Any] | None:
    for name in DESCRIPTION_NAMES:
        found = read_json(folder / name)
        if isinstance(found, dict):
            return found
    return None
