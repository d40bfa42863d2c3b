"""Where an archive lies: a folder, or a prefix of an object store through ``fsspec``."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from ..chests.drivers import require_driver
from ..delivery.durable_files import sync_file, sync_folder
from ..delivery.file_ownership import create_file, create_folder, create_root, random_name
from .errors import ArchiveError

T = TypeVar("T")

#: The end of the name of a file that is being written.
DRAFT_SUFFIX = ".new"
_MAX_READING_SECONDS = 3600
_MAX_WRITING_SECONDS = 300


class Storage(ABC):
    """The files of one archive, each of which is written once and never changed.

    :param root: the folder or the prefix.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    @abstractmethod
    def sizes(self, folder: str) -> dict[str, int]:
        """The names of the files in a folder, with their sizes in bytes."""

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder."""
        return list(self.sizes(folder))

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The content of a file; ``None`` if there is no such file."""

    @abstractmethod
    def create(self, name: str, content: bytes) -> bool:
        """Create a small file, whole and durable; return ``False`` if it exists already."""

    @abstractmethod
    def publish(self, draft: Path, name: str) -> None:
        """Store a local file, whole and durable, under a new name."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""

    @abstractmethod
    def temporary_folder(self) -> Path:
        """A local folder for drafts and for DuckDB's data."""

    def attach(self, connection: Any) -> None:  # noqa: B027 - DuckDB reads local files by itself
        """Let a connection of DuckDB read the files."""

    def delete_leftovers(self) -> None:  # noqa: B027 - only a folder keeps them
        """Delete what processes that were killed have left in the temporary folder.

        Only the process that holds the lease may call it.
        """

    def path(self, name: str) -> str:
        """The path of a file, for DuckDB and for messages."""
        return f"{self.root}/{name}"

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """A local path for a new file, which is deleted at the end unless it was published."""
        path = random_name(self.temporary_folder() / "part")
        try:
            os.close(create_file(path))
            yield path
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)


class FolderStorage(Storage):
    """An archive in a folder of this machine, or of a network file system.

    :param root: the folder; created when something is written.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self._root = root

    def sizes(self, folder: str) -> dict[str, int]:
        found = {}
        with self._as_archive_error(folder), suppress(FileNotFoundError):
            for entry in os.scandir(self._root / folder):
                with suppress(FileNotFoundError):  # deleted in between
                    found[entry.name] = entry.stat().st_size
        return found

    def read(self, name: str) -> bytes | None:
        with self._as_archive_error(name):
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None

    def create(self, name: str, content: bytes) -> bool:
        path = self._root / name
        with self._as_archive_error(name), self.draft() as draft:
            draft.write_bytes(content)
            sync_file(draft)
            self._make_folder(path.parent)
            try:
                # Unlike a rename, a link never replaces a file that another process made.
                os.link(draft, path)
            except FileExistsError:
                return False
            sync_folder(path.parent)
        return True

    def publish(self, draft: Path, name: str) -> None:
        path = self._root / name
        with self._as_archive_error(name):
            sync_file(draft)
            self._make_folder(path.parent)
            draft.rename(path)
            sync_folder(path.parent)

    def delete(self, name: str) -> None:
        with self._as_archive_error(name):
            (self._root / name).unlink(missing_ok=True)

    def delete_leftovers(self) -> None:
        with self._as_archive_error("temporary"), suppress(FileNotFoundError):
            for entry in os.scandir(self._root / "temporary"):
                # A reader's DuckDB may be using a file that was written lately.
                age = time.time() - entry.stat().st_mtime
                # So may a process that lost the lease without noticing be writing a draft.
                is_draft = entry.name.endswith(DRAFT_SUFFIX)
                if age > (_MAX_WRITING_SECONDS if is_draft else _MAX_READING_SECONDS):
                    Path(entry.path).unlink(missing_ok=True)

    def temporary_folder(self) -> Path:
        folder = self._root / "temporary"
        with self._as_archive_error("temporary"):
            self._make_folder(folder)
        return folder

    def _make_folder(self, folder: Path) -> None:
        create_root(self._root)
        with suppress(FileExistsError):
            create_folder(folder)

    @contextmanager
    def _as_archive_error(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArchiveError(
                f"the archive {self.path(name)}: {error.strerror or error}; check the folder's "
                "rights and free space, or set CHEST_ARCHIVE to another place"
            ) from None


class ObjectStorage(Storage):
    """An archive in an object store, such as ``s3://bucket/prefix``.

    :param url: the URL of the prefix, without credentials: these come from the environment, as
        the driver of the store documents.
    :param options: arguments of the driver, e.g. ``endpoint_url`` of an S3 store that is not AWS.
    """

    def __init__(self, url: str, options: dict[str, Any] | None = None) -> None:
        super().__init__(url.rstrip("/"))
        self._options = options or {}
        self._filesystem: Any = None
        self._temporary: Path | None = None

    def sizes(self, folder: str) -> dict[str, int]:
        def find() -> dict[str, int]:
            found = self._files.find(self.path(folder), detail=True)
            return {path.rpartition("/")[2]: int(info["size"]) for path, info in found.items()}

        self._files.invalidate_cache()
        return self._run(folder, find, {})

    def read(self, name: str) -> bytes | None:
        content: bytes | None = self._run(name, lambda: self._files.cat_file(self.path(name)), None)
        return content

    def create(self, name: str, content: bytes) -> bool:
        def put() -> bool:
            try:
                self._files.pipe_file(self.path(name), content, mode="create")
            except FileExistsError:
                return False
            return True

        return self._run(name, put, False)

    def publish(self, draft: Path, name: str) -> None:
        self._run(name, lambda: self._files.put_file(str(draft), self.path(name)), None)

    def delete(self, name: str) -> None:
        self._run(name, lambda: self._files.rm_file(self.path(name)), None)

    def temporary_folder(self) -> Path:
        if self._temporary is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="flask-chest-"))
            weakref.finalize(self, shutil.rmtree, self._temporary, ignore_errors=True)
        return self._temporary

    def attach(self, connection: Any) -> None:
        connection.register_filesystem(self._files)

    @property
    def _files(self) -> Any:
        if self._filesystem is None:
            require_driver("fsspec", "s3")
            import fsspec

            protocol = self.root.partition("://")[0]
            self._filesystem = fsspec.filesystem(protocol, **self._options)
        return self._filesystem

    def _run(self, name: str, operation: Callable[[], T], missing: T) -> T:
        """Run an operation; return ``missing`` if there is no such file."""
        try:
            return operation()
        except FileNotFoundError as error:
            if "bucket does not exist" in str(error).lower():
                raise self._error(name, error) from None
            return missing
        except ArchiveError:
            raise
        except Exception as error:  # noqa: BLE001 - a driver may raise anything, with a secret in it
            raise self._error(name, error) from None

    def _error(self, name: str, error: BaseException) -> ArchiveError:
        if isinstance(error, PermissionError):
            reason = "access denied; it needs the rights to list, read, write and delete objects"
        elif isinstance(error, FileNotFoundError):
            reason = "there is no such bucket; create it, or set CHEST_ARCHIVE to another place"
        else:
            reason = f"{type(error).__name__}; check the address, the credentials and the network"
        return ArchiveError(f"the archive {self.path(name)}: {reason}")


def open_storage(place: str, options: dict[str, Any] | None = None) -> Storage:
    """Open a folder, or a URL such as ``s3://bucket/prefix``."""
    return ObjectStorage(place, options) if "://" in place else FolderStorage(Path(place))
