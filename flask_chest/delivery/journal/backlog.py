"""The backlog of a journal: the oldest record that waits, and records that nothing delivers."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from ...record.json_line import made_at
from .app_scope import JournalScope
from .file_names import writer_folders
from .partition import open_own

_logger = logging.getLogger("flask_chest.delivery")


def oldest_pending(scope: JournalScope, chest: str) -> int | None:
    """Return when the oldest record that waits for a chest was made, in µs since 1970 UTC.

    :param scope: the app. The records of all its processes are considered.
    :param chest: the chest's name.
    """
    times = [
        time
        for folder in writer_folders(scope.root)
        if (time := _oldest_in(folder, scope, chest)) is not None
    ]
    return min(times, default=None)


def warn_of_undelivered(scope: JournalScope, buffer: str) -> None:
    """Log a warning if records of an app wait in a journal that the app no longer uses.

    :param scope: the app and the journal.
    :param buffer: the app's ``CHEST_BUFFER``, which is not ``"disk"``.
    """
    if any(_has_records(folder, scope) for folder in writer_folders(scope.root)):
        _logger.warning(
            "records wait in the journal %s, and with CHEST_BUFFER %r nothing delivers them; "
            "run the app with 'disk' until none wait, or delete the folder",
            scope.root,
            buffer,
        )


def _oldest_in(folder: Path, scope: JournalScope, chest: str) -> int | None:
    with suppress(OSError):
        partition = open_own(folder, scope)
        page = None if partition is None else partition.read(chest, 1)
        if page is not None and page.lines:
            return made_at(page.lines[0])
    return None


def _has_records(folder: Path, scope: JournalScope) -> bool:
    with suppress(OSError):
        partition = open_own(folder, scope)
        return partition is not None and partition.has_undelivered(partition.chests)
    return False
