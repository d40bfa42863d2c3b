"""Examines the journal: records that nothing delivers, were rejected, or belong to nobody."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote

from ...delivery.dead_letters import chests_with_dead_letters
from ...delivery.file_ownership import check_root
from ...delivery.journal.app_scope import JournalScope
from ...delivery.journal.file_names import unreadable_folders, writer_folders
from ...delivery.journal.partition import open_own
from ...delivery.journal.writer_description import Description, ForeignFolderError
from ...errors import ChestError
from ...record.json_line import made_at
from .finding import Finding, note
from .locks import is_locked

# Seconds that a record may wait although something delivers: a store that was down for a moment.
_MAX_AGE = 60.0

_AGENT = "flask chest agent"
_REMEDIES = {
    "thread": "start the app: it delivers what an earlier process has left",
    "agent": _AGENT,
}


def examine_journal(scope: JournalScope, exporter: str) -> Iterator[Finding]:
    """Find records in the journal that do not reach their store. Nothing is created.

    :param scope: the app's part of the journal.
    :param exporter: the app's ``CHEST_EXPORTER``.
    """
    yield from _examine_access(scope.root)
    for folder in writer_folders(scope.root):
        with suppress(OSError):  # its process has delivered and removed it
            yield from _examine_writer(folder, scope, exporter)
    yield from _examine_dead_letters(scope)
    yield from _examine_ledger(scope.root)


def _examine_access(root: Path) -> Iterator[Finding]:
    try:
        check_root(root)
    except OSError as error:
        text, _, remedy = str(error).partition("; ")
        yield Finding("journal", text, remedy)
    for folder in unreadable_folders(root):
        yield Finding(
            "journal",
            f"{folder} belongs to another user, so its records are invisible",
            f"chown -R --reference={quote(str(root))} {quote(str(folder))}",
        )


def _examine_dead_letters(scope: JournalScope) -> Iterator[Finding]:
    try:
        chests = chests_with_dead_letters(scope.root)
    except ChestError as error:
        yield Finding("journal", str(error))
        return
    for chest in chests:
        yield Finding(
            "journal",
            f"records that the chest {chest!r} rejected are in {scope.root / 'dead'}",
            f"flask chest replay --chest {quote(chest)}",
        )


def _examine_writer(folder: Path, scope: JournalScope, exporter: str) -> Iterator[Finding]:
    try:
        description = Description.read(folder)
    except ForeignFolderError as error:
        remedy = f"deliver it with that version, or delete it: rm -r {quote(str(folder))}"
        yield Finding("journal", str(error), remedy)
        return
    if not description.belongs_to(scope):
        yield note("journal", f"{folder} belongs to another app, {description.app_name!r}")
        return
    partition = open_own(folder, scope)
    if partition is None:
        return
    unknown = sorted(name for name in partition.chests if name not in scope.chests)
    if partition.has_undelivered(unknown):
        yield Finding(
            "journal",
            f"records in {folder} wait for {', '.join(map(repr, unknown))}, which is not in "
            "CHEST_CHESTS",
            f"add the chest again, or delete the folder: rm -r {quote(str(folder))}",
        )
    for chest in scope.chests:
        page = partition.read(chest, 1)
        age = 0.0 if page is None or not page.lines else _age(page.lines[0])
        if age > _MAX_AGE and not is_locked(folder / "reader.lock"):
            yield Finding(
                "journal",
                f"records for the chest {chest!r} have waited for {age / 60:.0f} minutes, and no "
                "process delivers them",
                _REMEDIES[exporter],
            )


def _age(line: bytes) -> float:
    return time.time() - made_at(line) / 1_000_000


def _examine_ledger(root: Path) -> Iterator[Finding]:
    file = root / "ledger.json"
    try:
        json.loads(file.read_bytes())
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        yield Finding(
            "journal",
            f"{file} cannot be read, so earlier processes are not counted: {error}",
            f"chown --reference={quote(str(root))} {quote(str(file))}, or delete the file",
        )
