"""What was left in a journal that is no more in use."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from .partition import ForeignFolderError, JournalSource
from .totals import writer_folders

_logger = logging.getLogger("flask_chest.delivery")


def warn_of_left(root: Path, owner: str, buffer: str) -> None:
    """Log where records of an app wait in a journal, since nobody delivers them.

    :param buffer: what is in use in its place.
    """
    if any(_holds_records_of(folder, owner) for folder in writer_folders(root)):
        _logger.warning(
            "records wait in the journal %s, and with CHEST_BUFFER %r nobody delivers them; "
            "run the app with 'disk' until none wait, or delete the folder",
            root,
            buffer,
        )


def _holds_records_of(folder: Path, owner: str) -> bool:
    with suppress(ForeignFolderError, OSError):
        source = JournalSource(folder, lambda *_: None)
        return source.owner == owner and source.has_more(source.chests)
    return False
