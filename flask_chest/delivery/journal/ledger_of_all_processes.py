"""The totals of a journal: the ledger of all processes of an app, living and dead."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..durable_files import decode_json, read_json, replace_json, sync_file, write_json, write_whole
from ..file_lock import FileLock
from ..file_ownership import check_root, create_file
from ..ledger import Ledger
from .app_scope import JournalScope
from .file_names import writer_folders
from .partition import open_own

# Another process holds the lock for milliseconds, unless it is stopped.
_LOCK_TIMEOUT = 1.0
# How often an addition is repeated if the totals change meanwhile.
_MAX_READS = 20

# The size of the totals and of their spare file, which take turns: the new totals are written into
# the spare file, which is then renamed. This needs no free space.
_RESERVED_BYTES = 8192


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
        content: dict[str, Any] = read_json(root / "ledger.json") or {}
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

    Another process that holds the lock reserves it, so this one does not wait.

    :raises OSError: there is no room.
    """
    lock = FileLock(root / "ledger.lock")
    try:
        if lock.acquire():
            _reserve(root)
    finally:
        lock.release()


def _reserve(root: Path) -> None:
    """Create the totals and their spare file, of the same size, unless they exist."""
    spare = _spare(root)
    if spare.exists() and spare.stat().st_size < _RESERVED_BYTES:
        spare.unlink()  # the totals of an earlier version, which were shorter
    for path in (root / "ledger.json", spare):
        if not path.exists():
            _create(path)


def _create(path: Path) -> None:
    descriptor = create_file(path)
    try:
        write_whole(descriptor, bytes(_RESERVED_BYTES))
        write_json(path, {})
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()  # a shorter one would look like the whole reservation
        raise
    finally:
        os.close(descriptor)


def _save(root: Path, content: dict[str, Any]) -> None:
    try:
        _save_in_spare(root, content)
    except OSError:
        replace_json(root / "ledger.json", content)
    with contextlib.suppress(OSError):
        _reserve(root)


def _save_in_spare(root: Path, content: dict[str, Any]) -> None:
    """Replace the totals by their spare file; after a crash they are the old or the new ones.

    The old file becomes the next spare file. If it were deleted instead, the records of other
    requests could take its room on a full disk.

    :raises OSError: there is no spare file, or it cannot be written.
    """
    path, spare, old = root / "ledger.json", _spare(root), root / "ledger.old"
    if not spare.exists():
        raise FileNotFoundError(spare)
    write_json(spare, content)
    sync_file(spare)
    old.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # some file systems allow a file only one name
        old.hardlink_to(path)
    spare.rename(path)
    with contextlib.suppress(OSError):
        old.rename(spare)


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
