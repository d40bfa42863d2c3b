"""File and folder names in the journal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..durable_files import read_json

#: The version in ``writer.json``. Folders of another version are left alone.
VERSION = 1

#: Two copies of a writer's description, since its records cannot be delivered without it.
DESCRIPTION_NAMES = ("writer.json", "writer.copy.json")

_SEGMENT_NAME = re.compile(r"[0-9]{8,12}\.segment")


def segment_path(folder: Path, number: int) -> Path:
    """Return the path of a segment."""
    return folder / f"{number:08}.segment"


def counts_path(folder: Path, number: int) -> Path:
    """Return the path of the file that has the number of a full segment's records by mask."""
    return folder / f"{number:08}.counts"


def checkpoint_path(folder: Path, bit: int) -> Path:
    """Return the path of a chest's checkpoint.

    :param bit: the chest's bit in a record's mask.
    """
    return folder / f"{bit}.place"


def segment_numbers(folder: Path) -> list[int]:
    """Return the numbers of a folder's segments, oldest first."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    return sorted(int(name.partition(".")[0]) for name in names if _SEGMENT_NAME.fullmatch(name))


def read_description(folder: Path) -> dict[str, Any] | None:
    """Return the description that a writer stored; ``None`` if missing, damaged or unreadable."""
    for name in DESCRIPTION_NAMES:
        found = read_json(folder / name)
        if isinstance(found, dict):
            return found
    return None


def writer_folders(root: Path) -> list[Path]:
    """Return the folders of all writers, oldest first.

    :param root: the journal's folder.
    """
    try:
        # One of the two descriptions is enough.
        return sorted({path.parent for path in root.glob("[!.]*/writer*.json")})
    except OSError:
        return []
