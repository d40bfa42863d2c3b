"""What SQLite's errors mean, and what the user can do about them."""

from __future__ import annotations

import sqlite3

from .connection import WALUnavailableError
from .database_file import MAX_PATH_BYTES, PathTooLongError

#: The remedy if a file cannot be created or written to.
UNWRITABLE = "let this process write there, or name another file"
_TOO_LONG = f"SQLite opens paths of at most {MAX_PATH_BYTES} bytes; name another file"
_NO_WAL = (
    "the file system lacks shared memory or locks, as many network file systems do; "
    "put the file on a local disk, or use a database server"
)
# By words of SQLite's messages: before Python 3.11 its driver has no error codes.
_REMEDIES = {
    "unable to open": UNWRITABLE,
    "readonly": UNWRITABLE,
    "locked": "another process is writing to it; on a network file system SQLite cannot tell when",
    "is full": "make room on its disk",
    "not a database": "name another file",
    "is malformed": (
        "the file is damaged: stop the app, move the file away, and save what is left with "
        "'sqlite3 FILE .recover'"
    ),
    "locking protocol": _NO_WAL,
    "disk I/O error": "check its disk; " + _NO_WAL,
}


def remedy_for(error: BaseException) -> str:
    """What the user can do about an error, as half a sentence."""
    if isinstance(error, PathTooLongError):
        return _TOO_LONG
    if isinstance(error, WALUnavailableError):
        return _NO_WAL
    if isinstance(error, OSError):
        return UNWRITABLE
    message = str(error)
    return next((remedy for words, remedy in _REMEDIES.items() if words in message), "")


def is_rejection(error: BaseException) -> bool:
    """Whether SQLite would refuse the same records again."""
    # JSON that is nested too deeply is "malformed".
    is_json_error = isinstance(error, sqlite3.OperationalError) and "JSON" in str(error)
    return is_json_error or isinstance(error, (sqlite3.IntegrityError, sqlite3.DataError))
