"""File and folder names in the journal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..durable_files import read_json

#: What ``writer.json`` says; a folder that says otherwise was made by another version.
VERSION = 1


_SEGMENT_NAME = re.compile(r"[0-9]{8,12}\.segment")


# All that is in a journal hangs on this file, so there are two of it.
_DESCRIPTIONS = ("writer.json", "writer.copy.json")


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment lies."""
    return folder / f"{number:08}.segment"


def counts_path(folder: Path, number: int) -> Path:
    """Where it is noted how many records of which mask a full segment has."""
    return folder / f"{number:08}.counts"


def place_path(folder: Path, bit: int) -> Path:
    """Where a chest's place is kept."""
    return folder / f"{bit}.place"


def segment_numbers(folder: Path) -> list[int]:
    """The segments of a folder, oldest first."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    return sorted(int(name.partition(".")[0]) for name in names if _SEGMENT_NAME.fullmatch(name))


def read_description(folder: Path) -> dict[str, Any] | None:
    """What a writer said of itself; ``None`` where that is missing, damaged, or not to be read."""
    for name in _DESCRIPTIONS:
        found = read_json(folder / name)
        if isinstance(found, dict):
            return found
    return None


def writer_folders(root: Path) -> list[Path]:
    """The folders of all writers, oldest first."""
    try:
        # Either of a writer's two descriptions will do.
        return sorted({path.parent for path in root.glob("[!.]*/writer*.json")})
    except OSError:
        return []
