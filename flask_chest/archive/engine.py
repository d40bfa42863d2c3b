"""Opens DuckDB, which writes and reads the archive; the only file that imports ``duckdb``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .errors import ArchiveError

#: Bytes that one connection may use before it writes to disk.
MEMORY_LIMIT = 96 * 1024 * 1024


def is_installed() -> bool:
    """Return whether the extra ``columns`` is installed, without importing it."""
    return find_spec("duckdb") is not None


def connect(temporary: Path, *, memory_limit: int = MEMORY_LIMIT, threads: int = 1) -> Any:
    """Open a database in memory. It never downloads an extension.

    :param temporary: the folder for data beyond the memory limit; created when needed.
    :param memory_limit: bytes of memory to use.
    :param threads: threads to use. One is enough in the background, where requests need the others.
    :raises ConfigError: the extra is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise ConfigError(
            'the archive needs DuckDB: pip install "flask-chest[columns]", or set CHEST_ARCHIVE '
            "to False"
        ) from None
    return duckdb.connect(
        ":memory:",
        config={
            "threads": str(threads),
            "memory_limit": f"{memory_limit}B",
            "temp_directory": str(temporary),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )


def is_engine_error(error: BaseException) -> bool:
    """Return whether DuckDB raised an error."""
    import duckdb

    return isinstance(error, duckdb.Error)


@contextmanager
def suppress_engine_errors() -> Iterator[None]:
    """Ignore errors of DuckDB."""
    try:
        yield
    except Exception as error:
        if not is_engine_error(error):
            raise


def to_archive_error(error: BaseException, file: str) -> ArchiveError:
    """Convert an error of DuckDB to one that names the file.

    DuckDB's own message may quote a value of a record, so it is used only if it is about a file.
    """
    import duckdb

    reason = type(error).__name__
    if isinstance(error, duckdb.IOException):
        reason = str(error).partition("\n")[0]
    return ArchiveError(
        f"the archive {file}: DuckDB cannot read or write it ({reason}); check the free space"
    )


@contextmanager
def as_archive_errors(place: str) -> Iterator[None]:
    """Convert errors of DuckDB, such as a full disk, to errors that name a place."""
    try:
        yield
    except Exception as error:
        if "duckdb" in sys.modules and is_engine_error(error):
            raise to_archive_error(error, place) from None
        raise


def quoted(name: str) -> str:
    """Return an identifier for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text for SQL, for the places that take no parameter."""
    return "'" + text.replace("'", "''") + "'"
