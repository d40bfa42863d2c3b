"""The SQL that makes encoded records out of rows, many in one value.

The database writes the JSON, and Python gets one text for a thousand rows: threads that serve
requests would wait for each row that Python fetched.
"""

from __future__ import annotations

from typing import NamedTuple

from ....record.json_line import FIELDS


class LineDialect(NamedTuple):
    """How one database makes encoded records.

    :param microseconds: the time of a row in microseconds since 1970.
    :param double: a double, ``{0}``, as JSON that reads back as the same double.
    :param document: a document, ``{0}``, as JSON or as its text.
    :param json_object: the function that makes a JSON object of names and values.
    :param join: joins the column ``line`` of ``{0}``, whose order is that of time and id.
    :param prepare: statements that the connection needs first.
    """

    microseconds: str
    double: str
    document: str
    json_object: str
    join: str
    prepare: tuple[str, ...] = ()


_DOUBLES = ("duration_ms", "sample_rate")
_DOCUMENTS = ("vars", "tags")

DIALECTS = {
    "sqlite": LineDialect(
        microseconds=(
            # strftime() would round the last half millisecond of a second up.
            "CAST(strftime('%s', substr(time, 1, 19)) AS INTEGER) * 1000000 "
            "+ CAST(substr(time, 21, 6) AS INTEGER)"
        ),
        # json_object() rounds to 15 digits.
        # printf() writes NULL as 0.0.
        double="CASE WHEN {0} IS NOT NULL THEN json(printf('%!.17g', {0})) END",
        document="{0}",
        json_object="json_object",
        join="SELECT group_concat(line, char(10)), count(*) FROM ({0})",
    ),
    "postgresql": LineDialect(
        microseconds="round(extract(epoch FROM time) * 1000000)::bigint",
        double="{0}",
        document="{0}",
        json_object="json_build_object",
        join="SELECT string_agg(line::text, chr(10)), count(*) FROM ({0}) AS listed",
        prepare=("SET extra_float_digits = 3",),
    ),
    "mysql": LineDialect(
        microseconds="TIMESTAMPDIFF(MICROSECOND, '1970-01-01', time)",
        double="{0}",
        document="CAST({0} AS CHAR)",
        json_object="JSON_OBJECT",
        join=(
            "SELECT GROUP_CONCAT(line ORDER BY time, id SEPARATOR '\\n'), count(*) "
            "FROM ({0}) AS listed"
        ),
        prepare=("SET SESSION group_concat_max_len = 1073741824",),
    ),
}


def page_query(dialect: str, table: str) -> str:
    """The rows of a stretch of time after a given row, as one text, and their number.

    Its parameters are ``since``, ``until``, ``after`` (an id) and ``size``.

    :param dialect: the name of SQLAlchemy's dialect.
    :param table: the quoted name of the table.
    """
    return DIALECTS[dialect].join.format(_rows(dialect, table))


def row_query(dialect: str, table: str) -> str:
    """Like :func:`page_query`, with a row for each line."""
    return f"SELECT line FROM ({_rows(dialect, table)}) AS listed ORDER BY time, id"  # noqa: S608


def _rows(dialect: str, table: str) -> str:
    members = ", ".join(f"'{name}', {_value(DIALECTS[dialect], name)}" for name in FIELDS)
    return (
        f"SELECT time, id, {DIALECTS[dialect].json_object}({members}) AS line FROM {table} "  # noqa: S608
        "WHERE time >= :since AND time < :until AND (time > :since OR id > :after) "
        "ORDER BY time, id LIMIT :size"
    )


def _value(dialect: LineDialect, name: str) -> str:
    if name == "time":
        return dialect.microseconds
    if name in _DOUBLES:
        return dialect.double.format(name)
    return dialect.document.format(name) if name in _DOCUMENTS else name
