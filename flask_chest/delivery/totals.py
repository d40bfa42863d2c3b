"""The ledger of a whole journal: of every process that wrote to it, living or dead."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from .files import FileLock, read_json, replace_json
from .ledger import Ledger
from .source import ForeignFolderError, JournalSource


def writer_folders(root: Path) -> list[Path]:
    """The folders of all writers, oldest first."""
    try:
        return sorted(path.parent for path in root.glob("[!.]*/writer.json"))
    except OSError:
        return []


def read_ledger(root: Path, chests: Sequence[str] = ()) -> Ledger:
    """The ledger of all processes, living and dead, from what lies in the journal.

    :param chests: names to show even where nothing is known of them.
    """
    totals, counted = _totals(root)
    for chest in chests:
        totals.account(chest)
    for folder in writer_folders(root):
        if folder.name not in counted:
            with contextlib.suppress(ForeignFolderError, OSError):
                totals.add(JournalSource(folder, lambda *_: None).ledger())
    return totals


def add_to_totals(root: Path, ledger: Ledger, writer: str | None = None) -> None:
    """Take a ledger into the totals, once per writer.

    :param writer: the folder that it is the ledger of, and that is removed next: should that not
        come to pass, its name in the file keeps it from being counted again.
    """
    lock = FileLock(root / "ledger.lock")
    lock.acquire(wait=True)
    try:
        totals, counted = _totals(root)
        if writer in counted:
            return
        totals.add(ledger)
        there = {folder.name for folder in writer_folders(root)}
        content = {
            "chests": totals.to_dict(),
            "counted": [name for name in (*counted, writer) if name in there],
        }
        replace_json(root / "ledger.json", content)
    finally:
        lock.release()


def _totals(root: Path) -> tuple[Ledger, list[str]]:
    content = read_json(root / "ledger.json")
    if not isinstance(content, dict):
        return Ledger(), []
    return Ledger.from_dict(content.get("chests", {})), list(content.get("counted", ()))
