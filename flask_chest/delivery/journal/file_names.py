"""File and folder names in the journal."""

from __future__ import annotations

import re
from pathlib import Path

from .writer_description import is_readable, is_writer_folder

#: The name of a writer's folder: milliseconds since 1970, process id, random digits.
WRITER_NAME = re.compile(r"[0-9a-f]{12}-[0-9]+-[0-9a-f]{6}")

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


def writer_folders(root: Path) -> list[Path]:
    """Return the folders of all writers that this user may look into, oldest first.

    :param root: the journal's folder.
    """
    try:
        found = [path for path in root.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []
    return sorted(path for path in found if is_writer_folder(path))


def unreadable_folders(root: Path) -> list[Path]:
    """Return the folders of writers that this user may not read; the root if that is closed.

    :param root: the journal's folder.
    """
    try:
        found = sorted(path for path in root.iterdir() if WRITER_NAME.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:
        return [root]
    return [path for path in found if not is_readable(path)]
