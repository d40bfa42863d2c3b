"""Dead letters: records that a chest will never accept, kept as JSON lines with the reason."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import orjson


def dead_letter_path(root: Path, chest: str) -> Path:
    """The file of one chest's dead letters."""
    # A chest's name is the user's word: it must not lead out of the folder.
    return root / "dead" / f"{re.sub('^[.]', '_', quote(chest, safe=' '))}.ndjson"


def bury(root: Path, chest: str, lines: Sequence[bytes], reason: str) -> None:
    """Append records with the reason, one JSON object a line.

    :raises OSError: they could not be kept.
    """
    path = dead_letter_path(root, chest)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    letters = b"".join(
        b'{"reason":%b,"record":%b}\n' % (orjson.dumps(reason), line) for line in lines
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, letters)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
