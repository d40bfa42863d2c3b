"""The totals of a journal: the ledger of all processes of an app, living and dead."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..durable_files import decode_json, replace_json, sync_file, write_json, write_whole
from ..file_lock import FileLock
from ..ledger import Ledger
from ..owned_files import check_root, create_file, open_or_create
from .layout import writer_folders
from .partition import open_own
from .scope import JournalScope

# Another process holds the lock for milliseconds, unless it is stopped.
_LOCK_TIMEOUT = 1.0
# How often an addition is repeated if the totals change meanwhile.
_MAX_READS = 20

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Room for the totals of a full disk. They are written into this file, which is then renamed.
_SPARE_BYTES = 8192


def read_ledger(scope: JournalScope) -> Ledger:
    """Return the ledger of all processes of an app. It creates no file and waits for no lock.

    :param scope: the app; each of its chests has an account, also if it has no records.
    """
    for _ in range(_MAX_READS):
        content = _read(scope.root)
        ledger = _add_up(scope, decode_json(content) or {})
        # A writer moves from its folder to the totals, never the other way. If the totals are still
        # the same, no writer was overlooked or counted twice.
        if _read(scope.root) == content:
            break
    return ledger


def add_to_totals(scope: JournalScope, ledger: Ledger, writer: str | None = None) -> None:
    """Add a ledger to the app's totals, once per writer.

    :param scope: the app.
    :param ledger: the numbers to add.
    :param writer: the name of the folder that the ledger belongs to, and that is removed next. If
        the removal fails, the name in the totals file prevents a second addition.
    :raises OSError: the totals could not be saved, or another process keeps them locked.
    """
    root = scope.root
    check_root(root)
    with _locked(root):
        path = root / "ledger.json"
        content = (decode_json(path.read_bytes()) if path.exists() else None) or {}
        totals, counted = _parse(content, scope.app_name)
        if writer in counted:
            return
        totals.add(ledger)
        by_app = {**content.get("owners", {}), scope.app_name: totals.to_dict()}
        still_counted = [name for name in (*counted, writer) if name and (root / name).is_dir()]
        _save(root, {"owners": by_app, "counted": still_counted})


def add_rejected(scope: JournalScope, chest: str, count: int) -> None:
    """Count dead letters of a buffer that has no ledger in the journal.

    A replay subtracts them from there again.

    :raises OSError: the totals could not be saved, or another process keeps them locked.
    """
    rejected = Ledger()
    rejected.account(chest).rejected = count
    add_to_totals(scope, rejected)


def reserve_totals(root: Path) -> None:
    """Reserve the room that the totals need: a full disk must not forget what it lost.

    :raises OSError: there is no room.
    """
    os.close(open_or_create(root / "ledger.lock"))
    spare = _spare(root)
    if spare.exists():
        return
    with contextlib.suppress(FileExistsError):
        descriptor = create_file(spare)
        try:
            write_whole(descriptor, bytes(_SPARE_BYTES))
        finally:
            os.close(descriptor)


def _save(root: Path, content: dict[str, Any]) -> None:
    path = root / "ledger.json"
    try:
        replace_json(path, content)
    except OSError as error:
        spare = _spare(root)
        if error.errno not in _FULL or not spare.exists():
            raise
        write_json(spare, content)
        sync_file(spare)
        spare.rename(path)
    with contextlib.suppress(OSError):
        reserve_totals(root)


def _spare(root: Path) -> Path:
    return root / "ledger.spare"


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    lock = FileLock(root / "ledger.lock")
    try:
        if not lock.acquire(_LOCK_TIMEOUT):
            raise OSError(f"the totals in {root} are locked by another process")
        yield
    finally:
        lock.release()


def _read(root: Path) -> bytes:
    try:
        return (root / "ledger.json").read_bytes()
    except OSError:
        return b""


def _add_up(scope: JournalScope, content: dict[str, Any]) -> Ledger:
    totals, counted = _parse(content, scope.app_name)
    for chest in scope.chests:
        totals.account(chest)
    for folder in writer_folders(scope.root):
        if folder.name not in counted:
            with contextlib.suppress(OSError):
                partition = open_own(folder, scope)
                if partition is not None:
                    totals.add(partition.ledger())
    return totals


def _parse(content: dict[str, Any], app_name: str) -> tuple[Ledger, list[str]]:
    """Return an app's totals, and the names of folders that they already include."""
    totals = Ledger.from_dict(content.get("owners", {}).get(app_name, {}))
    return totals, list(content.get("counted", ()))
