"""Classifies PostgreSQL's errors and says what a user can do about them."""

from __future__ import annotations

from sqlalchemy import exc

from ...error_messages import CHECK_ADDRESS, READ_ONLY, describe_cause

#: The SQLSTATE if a table does not exist.
UNDEFINED_TABLE = "42P01"
#: The SQLSTATE if the encoding of the database lacks a character.
UNTRANSLATABLE = "22P05"
# COPY does not support row-level security and views.
_COPY_UNSUPPORTED = {"0A000", "42809"}

_REMEDIES = {
    "28": "check user and password",
    "3D": "create this database, or name another one",
    "25006": READ_ONLY,
    UNDEFINED_TABLE: "the next batch creates the tables",
    "XX001": "the table is damaged: see the server's log, and restore it from a backup",
    "XX002": "an index is damaged: rebuild it with REINDEX TABLE",
    "53": "the server is short of connections, memory or disk space",
}

# By words of the server's message about missing rights.
_MISSING_RIGHTS = {
    "for schema": "grant this user USAGE on the schema, and CREATE if the tables do not exist",
    "for database": "grant this user CONNECT on the database",
    "must be owner": "make this user the owner of the tables and the view, to upgrade them",
    "": "grant this user SELECT, INSERT, UPDATE and DELETE on the tables",
}
_INSUFFICIENT_PRIVILEGE = "42501"

# A failed connection has no SQLSTATE. These words of libpq and of the server contain no values.
_CONNECTION_WORDS = (
    "Connection refused",
    "timeout expired",
    "could not translate host name",
    "failed to resolve host",
    "No such file or directory",
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "certificate verify failed",
    "does not match host name",
    "root certificate file",
    "server does not support SSL",
    "SSL error",
    "the database system is starting up",
    "the database system is shutting down",
    "too many connections",
    "remaining connection slots are reserved",
    "does not exist",
    "server closed the connection unexpectedly",
    "Network is unreachable",
    "No route to host",
)


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error; empty if it has none, such as a failed connection."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def may_insert(error: exc.DBAPIError) -> bool:
    """Whether an ``INSERT`` may succeed after ``COPY`` failed.

    ``COPY`` cannot skip existing rows. Only batches that were sent before have such rows.
    """
    refused = isinstance(error, (exc.IntegrityError, exc.DataError))
    return refused or sqlstate(error) in _COPY_UNSUPPORTED


def describe_error(error: BaseException) -> str:
    """Describe an error without the server's text.

    That text quotes values: 'invalid input syntax for type integer: "..."'.
    """
    name, state = type(error).__name__, getattr(error, "sqlstate", None)
    if state:
        return f"{name} ({state})"
    words = next((words for words in _CONNECTION_WORDS if words in str(error)), "")
    return f"{name}: {words}" if words else describe_cause(error)


def remedy_for(error: BaseException) -> str:
    """Return what a user can do about an error; empty if there is no advice."""
    state = sqlstate(error)
    if not state:
        # A failed connection has no SQLSTATE, only a message of libpq.
        return _connection_remedy(str(error))
    if state == _INSUFFICIENT_PRIVILEGE:
        message = str(getattr(error, "orig", ""))
        return next(remedy for words, remedy in _MISSING_RIGHTS.items() if words in message)
    return _REMEDIES.get(state) or _REMEDIES.get(state[:2], "")


def _connection_remedy(message: str) -> str:
    if "password" in message or "authentication" in message or "role" in message:
        return _REMEDIES["28"]
    if "database" in message and "does not exist" in message:
        return _REMEDIES["3D"]
    if "certificate" in message or "SSL" in message:
        return "check the server's certificate, and 'sslrootcert'"
    return CHECK_ADDRESS
