"""The ledger of a whole journal: of every process that wrote to it, living or dead."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..durable_files import FileLock, read_json, replace_json
from ..ledger import Ledger
from .layout import writer_folders
from .partition import ForeignFolderError, Partition
from .scope import JournalScope

# A process that holds the lock is done in milliseconds, unless it was stopped.
_PATIENCE = 1.0


def read_ledger(scope: JournalScope) -> Ledger:
    """The ledger of all processes of an app, living and dead, from the files in the journal.

    :param scope: the app; each of its chests has an account, also if it has no records.
    """
    # Under the lock no writer goes from the folders to the totals while they are added up.
    with _locked(scope.root):
        totals, counted = _parts(_content(scope.root), scope.app_name)
        for chest in scope.chests:
            totals.account(chest)
        for folder in writer_folders(scope.root):
            if folder.name not in counted:
                with contextlib.suppress(ForeignFolderError, OSError):
                    source = Partition(folder, scope, lambda *_: None)
                    if source.app_name == scope.app_name:
                        totals.add(source.ledger())
    return totals


def add_to_totals(scope: JournalScope, ledger: Ledger, writer: str | None = None) -> None:
    """Add a ledger to the app's totals, once per writer.

    :param scope: the app.
    :param ledger: the numbers to add.
    :param writer: the folder that it is the ledger of, and that is removed next: should that not
        come to pass, its name in the file keeps it from being counted again.
    :raises OSError: the totals could not be kept, or another process holds on to them.
    """
    root = scope.root
    with _locked(root) as locked:
        if not locked:
            raise OSError(f"the totals in {root} are locked by another process, or not writable")
        content = _content(root)
        totals, counted = _parts(content, scope.app_name)
        if writer in counted:
            return
        totals.add(ledger)
        there = {folder.name for folder in writer_folders(root)}
        owners = {**content.get("owners", {}), scope.app_name: totals.to_dict()}
        replace_json(
            root / "ledger.json",
            {"owners": owners, "counted": [name for name in (*counted, writer) if name in there]},
        )


def add_rejected(scope: JournalScope, chest: str, count: int) -> None:
    """Count dead letters of what keeps no ledger here: from there a replay takes them again.

    :raises OSError: the totals could not be kept, or another process holds on to them.
    """
    rejected = Ledger()
    rejected.account(chest).rejected = count
    add_to_totals(scope, rejected)


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[bool]:
    lock = FileLock(root / "ledger.lock")
    try:
        yield lock.acquire(_PATIENCE)
    finally:
        lock.release()


def _content(root: Path) -> dict[str, Any]:
    return read_json(root / "ledger.json") or {}


def _parts(content: dict[str, Any], app_name: str) -> tuple[Ledger, list[str]]:
    totals = Ledger.from_dict(content.get("owners", {}).get(app_name, {}))
    return totals, list(content.get("counted", ()))


_logger = logging.getLogger("flask_chest.delivery")


def warn_of_undelivered(scope: JournalScope, buffer: str) -> None:
    """Log where records of an app wait in a journal, since nobody delivers them.

    :param buffer: what is in use in its place.
    """
    if any(_has_records(folder, scope) for folder in writer_folders(scope.root)):
        _logger.warning(
            "records wait in the journal %s, and with CHEST_BUFFER %r nobody delivers them; "
            "run the app with 'disk' until none wait, or delete the folder",
            scope.root,
            buffer,
        )


def _has_records(folder: Path, scope: JournalScope) -> bool:
    with suppress(ForeignFolderError, OSError):
        source = Partition(folder, scope, lambda *_: None)
        return source.app_name == scope.app_name and source.has_more(source.chests)
    return False
