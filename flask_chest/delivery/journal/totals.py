"""The ledger of a whole journal: of every process that wrote to it, living or dead."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..durable_files import FileLock, read_json, replace_json
from ..ledger import Ledger
from .chest_names import NOWHERE
from .layout import writer_folders
from .partition import ForeignFolderError, Partition

# A process that holds the lock is done in milliseconds, unless it was stopped.
_PATIENCE = 1.0


def read_ledger(
    root: Path,
    chests: Sequence[str] = (),
    owner: str = "",
    stores: Mapping[str, str] = NOWHERE,
) -> Ledger:
    """The ledger of all processes of an app, living and dead, from what lies in the journal.

    :param chests: names to show even where nothing is known of them.
    :param owner: the app; others may share the journal.
    :param stores: where its chests are, by name.
    """
    # Under the lock no writer goes from the folders to the totals while they are added up.
    with _locked(root):
        totals, counted = _parts(_content(root), owner)
        for chest in chests:
            totals.account(chest)
        for folder in writer_folders(root):
            if folder.name not in counted:
                with contextlib.suppress(ForeignFolderError, OSError):
                    source = Partition(folder, lambda *_: None, stores)
                    if source.owner == owner:
                        totals.add(source.ledger())
    return totals


def add_to_totals(root: Path, ledger: Ledger, writer: str | None = None, owner: str = "") -> None:
    """Take a ledger into the totals, once per writer.

    :param writer: the folder that it is the ledger of, and that is removed next: should that not
        come to pass, its name in the file keeps it from being counted again.
    :param owner: the app.
    :raises OSError: the totals could not be kept, or another process holds on to them.
    """
    with _locked(root) as locked:
        if not locked:
            raise OSError(f"the totals in {root} are locked by another process, or not writable")
        content = _content(root)
        totals, counted = _parts(content, owner)
        if writer in counted:
            return
        totals.add(ledger)
        there = {folder.name for folder in writer_folders(root)}
        owners = {**content.get("owners", {}), owner: totals.to_dict()}
        replace_json(
            root / "ledger.json",
            {"owners": owners, "counted": [name for name in (*counted, writer) if name in there]},
        )


def add_rejected(root: Path, chest: str, count: int, owner: str = "") -> None:
    """Count dead letters of what keeps no ledger here: from there a replay takes them again.

    :raises OSError: the totals could not be kept, or another process holds on to them.
    """
    rejected = Ledger()
    rejected.account(chest).rejected = count
    add_to_totals(root, rejected, owner=owner)


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[bool]:
    lock = FileLock(root / "ledger.lock")
    try:
        yield lock.acquire(_PATIENCE)
    finally:
        lock.release()


def _content(root: Path) -> dict[str, Any]:
    return read_json(root / "ledger.json") or {}


def _parts(content: dict[str, Any], owner: str) -> tuple[Ledger, list[str]]:
    totals = Ledger.from_dict(content.get("owners", {}).get(owner, {}))
    return totals, list(content.get("counted", ()))


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
        source = Partition(folder, lambda *_: None)
        return source.owner == owner and source.has_more(source.chests)
    return False
