"""One archive: the log of its parts, and the files that they are in."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .._version import __version__
from ..query.time_intervals import from_timestamp
from .engine import connect, is_engine_error, to_archive_error
from .errors import ConflictError, DamagedPartError
from .manifest import Manifest, decode_manifest, encode_manifest
from .part_writer import PartFile
from .storage import Storage

_LOG, _DATA = "log", "data"
_SUFFIX = ".json"
# Seconds that the entry of a replaced part stays: a process that lists the log meanwhile then sees
# the old entry, the new one, or both.
_ENTRY_SECONDS = 3600
_MAX_LISTINGS = 10
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the log at one moment.

    :param number: the number of the last entry; 0 if there is none.
    :param parts: the valid parts, in the order of time.
    """

    number: int
    parts: tuple[Manifest, ...]

    @property
    def until(self) -> int:
        """The end of the newest stretch that was archived: seconds since 1970; 0 if none was."""
        return max((part.end for part in self.parts), default=0)

    def between(self, since: int, until: int) -> list[Manifest]:
        """The parts that may hold records of a range of time: microseconds since 1970."""
        return [part for part in self.parts if part.may_hold_time(since, until)]

    def overlapping(self, start: int, end: int) -> list[Manifest]:
        """The parts whose stretch overlaps another one: seconds since 1970."""
        return [part for part in self.parts if part.start < end and part.end > start]


class Archive:
    """One archive. Several threads and processes may read and write it at once.

    :param storage: where its files are.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._known: dict[str, Manifest] = {}

    def connect(self, **options: Any) -> Any:
        """Open a connection of DuckDB that can read the parts.

        :param options: see :func:`~flask_chest.archive.engine.connect`.
        """
        connection = connect(self.storage.temporary_folder(), **options)
        self.storage.attach(connection)
        return connection

    def snapshot(self) -> Snapshot:
        """Read the log.

        :raises ArchiveError: it cannot be read, or a newer release wrote it.
        """
        for _ in range(_MAX_LISTINGS):
            names = sorted(self.storage.names(_LOG))
            entries = [self._entry(name) for name in names if name.endswith(_SUFFIX)]
            found = [entry for entry in entries if entry is not None]
            if len(found) == len(entries):
                break  # else an entry was deleted since it was listed
        self._known = {_entry_name(each.number): each for each in found}
        replaced = {number for entry in found for number in entry.replaces}
        parts = [each for each in found if each.name and each.number not in replaced]
        parts.sort(key=lambda part: (part.start, part.first_time, part.number))
        return Snapshot(max((each.number for each in found), default=0), tuple(parts))

    def path(self, part: Manifest) -> str:
        """The path of a part's file, for DuckDB."""
        return self.storage.path(f"{_DATA}/{part.name}")

    def add(
        self,
        snapshot: Snapshot,
        start: int,
        end: int,
        file: tuple[Path, PartFile] | None,
        replaces: Sequence[Manifest] = (),
    ) -> Manifest:
        """Add a part, and let it replace others, in one step.

        :param snapshot: the state of the log that the part was made from.
        :param start: the start of the stretch of time: seconds since 1970, UTC.
        :param end: its end, exclusive.
        :param file: the local file and what it holds; ``None`` only removes parts.
        :param replaces: parts that are no longer valid then.
        :raises ConflictError: another process changed the archive since the snapshot was taken.
        """
        facts = {"name": ""} if file is None else self._publish(start, end, *file)
        entry = Manifest(
            number=snapshot.number + 1,
            start=start,
            end=end,
            replaces=tuple(part.number for part in replaces),
            created=int(time.time()),
            release=__version__,
            **facts,
        )
        if not self.storage.create(f"{_LOG}/{_entry_name(entry.number)}", encode_manifest(entry)):
            if entry.name:
                self.storage.delete(f"{_DATA}/{entry.name}")
            raise self._conflict()
        self.delete_files(replaces)
        return entry

    def _publish(self, start: int, end: int, path: Path, content: PartFile) -> dict[str, Any]:
        """Move the file of a part into the archive; return what the log says about the file."""
        hours = max(1, (end - start) // 3600)
        stamp = f"{from_timestamp(start):%Y-%m-%dT%H}"
        facts = asdict(content) | {
            "name": f"{stamp}-{hours}h-{secrets.token_hex(4)}.parquet",
            "bytes": path.stat().st_size,
            "sha256": _checksum_of(path),
        }
        self.storage.publish(path, f"{_DATA}/{facts['name']}")
        return facts

    @contextmanager
    def reading(self, parts: Sequence[Manifest]) -> Iterator[None]:
        """Read some parts, which another process may replace and delete meanwhile.

        :raises ConflictError: reading failed, and the log no longer has all of the parts.
        """
        try:
            yield
        except Exception as error:
            if not isinstance(error, DamagedPartError) and not is_engine_error(error):
                raise
            valid = {part.name for part in self.snapshot().parts}
            if all(part.name in valid for part in parts):
                raise
            raise self._conflict() from None

    def _conflict(self) -> ConflictError:
        return ConflictError(f"the archive {self.storage.root}: another process changed it")

    def delete_files(self, parts: Iterable[Manifest]) -> None:
        """Delete the files of parts that are no longer valid."""
        for part in parts:
            self.storage.delete(f"{_DATA}/{part.name}")

    def collect_garbage(self) -> None:
        """Delete files without a valid part, and entries that were replaced long ago.

        Only the process that holds the lease may call it: the file of another process that is
        about to add it has no valid part yet.
        """
        self.storage.delete_leftovers()
        snapshot = self.snapshot()
        valid = {part.name for part in snapshot.parts}
        for name in self.storage.names(_DATA):
            if name not in valid:
                self.storage.delete(f"{_DATA}/{name}")
        numbers = {part.number for part in snapshot.parts}
        before = time.time() - _ENTRY_SECONDS
        for entry in list(self._known.values()):
            # The last entry stays, so that no number is used twice.
            is_last = entry.number == snapshot.number
            if entry.number not in numbers and not is_last and self._is_settled(entry, before):
                self.storage.delete(f"{_LOG}/{_entry_name(entry.number)}")

    def _is_settled(self, entry: Manifest, before: float) -> bool:
        """Whether an entry was replaced long ago, and what it replaces is gone from the log."""
        replacing = [each for each in self._known.values() if entry.number in each.replaces]
        since = max((each.created for each in replacing), default=entry.created)
        remaining = [each for each in entry.replaces if _entry_name(each) in self._known]
        return since < before and not remaining

    def verify(self, part: Manifest) -> None:
        """Check that the file of a part is there and whole.

        :raises DamagedPartError: it is not.
        """
        content = self.storage.read(f"{_DATA}/{part.name}")
        if content is None:
            raise DamagedPartError(part.name, f"the archive {self.path(part)}: the file is missing")
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise DamagedPartError(part.name, f"the archive {self.path(part)}: the file is damaged")

    def damaged_parts(self, *, thorough: bool) -> list[tuple[Manifest, DamagedPartError]]:
        """The valid parts whose file is missing or damaged, with the error of each.

        :param thorough: compare checksums as well, which reads every file.
        """
        sizes = self.storage.sizes(_DATA)
        found = []
        for part in self.snapshot().parts:
            try:
                if thorough or sizes.get(part.name) != part.bytes:
                    self.verify(part)
            except DamagedPartError as error:
                found.append((part, error))
        return found

    def rows(
        self, parts: Sequence[Manifest], select: str, connection: Any = None
    ) -> list[tuple[Any, ...]]:
        """Run a query over some parts, as one table ``parts``, and return its rows.

        :param select: SQL that reads from ``parts``.
        :param connection: a connection of :meth:`connect`; by default a new one.
        :raises DamagedPartError: the file of a part is missing or damaged.
        """
        if connection is None:
            with closing(self.connect()) as own:
                return self.rows(parts, select, own)
        try:
            found: list[tuple[Any, ...]] = connection.execute(self.query(parts, select)).fetchall()
        except Exception as error:
            if not is_engine_error(error):
                raise
            for part in parts:
                self.verify(part)
            raise to_archive_error(error, self.storage.root) from None
        return found

    def query(self, parts: Sequence[Manifest], select: str) -> str:
        """The SQL of a query over some parts, as one table ``parts``."""
        files = ", ".join("'" + self.path(part).replace("'", "''") + "'" for part in parts)
        return (
            f"WITH parts AS (SELECT * FROM read_parquet([{files}], union_by_name = true)) {select}"  # noqa: S608
        )

    def _entry(self, name: str) -> Manifest | None:
        known = self._known.get(name)
        if known is not None:
            return known
        content = self.storage.read(f"{_LOG}/{name}")
        if content is None:
            return None
        return decode_manifest(content, self.storage.path(f"{_LOG}/{name}"))


def _entry_name(number: int) -> str:
    return f"{number:012d}{_SUFFIX}"


def _checksum_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
