"""Classifies the errors of MySQL and MariaDB and says what a user can do about them."""

from __future__ import annotations

import re

from ...error_messages import CHECK_ADDRESS, READ_ONLY, describe_cause

_DAMAGED = "the table is damaged: see the server's log, then use CHECK TABLE and REPAIR TABLE"
# https://mariadb.com/kb/en/mariadb-error-codes/
_REMEDIES = {
    **dict.fromkeys((126, 127, 144, 145, 1034, 1194, 1195), _DAMAGED),
    1044: "grant this user rights on the database",
    1045: "check user and password",
    1047: "this node of a cluster accepts no statements; the next batch connects again",
    1049: "create this database, or name another one",
    1290: READ_ONLY,
    1698: "check user and password",
    1792: READ_ONLY,
    1836: READ_ONLY,
    2003: CHECK_ADDRESS,
    2006: CHECK_ADDRESS,
    2013: CHECK_ADDRESS,
}
# "INSERT command denied to user 'shop'@'10.0.0.7' for table `shop`.`chest_records`"
_DENIED = re.compile("([A-Z ,]+) command denied to user")
#: The code if a table does not exist.
MISSING_TABLE = 1146
#: Two nodes of a cluster inserted the same row; the next attempt finds it.
DUPLICATE = 1062
#: Rejections for which PyMySQL has another exception class: row too big, packet too big, key too
#: long, invalid JSON, failed check.
REJECTIONS = {1118, 1153, 1301, 3140, 3141, 3150, 4025}


def error_code(error: BaseException) -> int:
    """Return the server's code of an error; 0 if it has none."""
    arguments = getattr(getattr(error, "orig", None), "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0


def describe_error(error: BaseException) -> str:
    """Describe an error without the server's text.

    That text quotes values: "Incorrect integer value: '...' for column".
    """
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if not code:
        return describe_cause(error)
    return f"{describe_cause(error)} ({code}{_code_name(code)})"


def remedy_for(error: BaseException) -> str:
    """Return what a user can do about an error; empty if there is no advice."""
    denied = _DENIED.match(_error_text(error))
    if denied:
        return f"grant this user {denied[1]} on the tables"
    return _REMEDIES.get(error_code(error), "")


def _code_name(code: int) -> str:
    """Return PyMySQL's name of an error code, after a space; empty if it has none."""
    from pymysql.constants import CR, ER

    names = (name for each in (ER, CR) for name, value in vars(each).items() if value == code)
    return next((f" {name}" for name in names if name.isupper()), "")


def _error_text(error: BaseException) -> str:
    arguments = list(getattr(getattr(error, "orig", None), "args", ()))
    return str(arguments[1]) if len(arguments) > 1 else ""
