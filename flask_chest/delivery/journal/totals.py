"""The totals of a journal: the ledger of all processes of an app, living and dead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..durable_files import FileLock, read_json, replace_json
from ..ledger import Ledger
from .layout import writer_folders
from .partition import open_own
from .scope import JournalScope

# Another process holds the lock for milliseconds, unless it is stopped.
_LOCK_TIMEOUT = 1.0


def read_ledger(scope: JournalScope) -> Ledger:
    """Return the ledger of all processes of an app.

    :param scope: the app; each of its chests has an account, also if it has no records.
    """
    # Under the lock, so that no writer moves from its folder to the totals during the addition.
    with _locked(scope.root):
        totals, counted = _parse(_content(scope.root), scope.app_name)
        for chest in scope.chests:
            totals.account(chest)
        for folder in writer_folders(scope.root):
            if folder.name not in counted:
                with contextlib.suppress(OSError):
                    partition = open_own(folder, scope)
                    if partition is not None:
                        totals.add(partition.ledger())
    return totals


def add_to_totals(scope: JournalScope, ledger: Ledger, writer: str | None = None) -> None:
    """Add a ledger to the app's totals, once per writer.

    :param scope: the app.
    :param ledger: the numbers to add.
    :param writer: the name of the folder that the ledger belongs to, and that is removed next. If
        the removal fails, the name in the totals file prevents a second addition.
    :raises OSError: the totals could not be saved, or another process keeps them locked.
    """
    root = scope.root
    with _locked(root) as locked:
        if not locked:
            raise OSError(f"the totals in {root} are locked by another process, or not writable")
        content = _content(root)
        totals, counted = _parse(content, scope.app_name)
        if writer in counted:
            return
        totals.add(ledger)
        existing = {folder.name for folder in writer_folders(root)}
        by_app = {**content.get("owners", {}), scope.app_name: totals.to_dict()}
        still_counted = [name for name in (*counted, writer) if name in existing]
        replace_json(root / "ledger.json", {"owners": by_app, "counted": still_counted})


def add_rejected(scope: JournalScope, chest: str, count: int) -> None:
    """Count dead letters of a buffer that has no ledger in the journal.

    A replay subtracts them from there again.

    :raises OSError: the totals could not be saved, or another process keeps them locked.
    """
    rejected = Ledger()
    rejected.account(chest).rejected = count
    add_to_totals(scope, rejected)


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[bool]:
    lock = FileLock(root / "ledger.lock")
    try:
        yield lock.acquire(_LOCK_TIMEOUT)
    finally:
        lock.release()


def _content(root: Path) -> dict[str, Any]:
    return read_json(root / "ledger.json") or {}


def _parse(content: dict[str, Any], app_name: str) -> tuple[Ledger, list[str]]:
    """Return an app's totals, and the names of folders that they already include."""
    totals = Ledger.from_dict(content.get("owners", {}).get(app_name, {}))
    return totals, list(content.get("counted", ()))
