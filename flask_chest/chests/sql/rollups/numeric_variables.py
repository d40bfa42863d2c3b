"""Finds the numeric variables of an hour of records, in the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

#: Maximum number of numeric variables in the rollups of one hour.
MAX_VARIABLES = 20

_SQLITE = """
SELECT v.key AS name FROM {table} AS r JOIN json_each(r.vars) AS v
WHERE r.time >= :begin AND r.time < :end AND v.type IN ('integer', 'real')
GROUP BY v.key ORDER BY count(*) DESC, v.key LIMIT :most
"""
_POSTGRESQL = """
SELECT v.key AS name FROM {table} AS r CROSS JOIN jsonb_each(r.vars) AS v
WHERE r.time >= :begin AND r.time < :end AND jsonb_typeof(v.value) = 'number'
GROUP BY v.key ORDER BY count(*) DESC, v.key COLLATE "C" LIMIT :most
"""
# A path cannot have every name, so a value is found by its position, where all keys are listed.
_MYSQL = """
SELECT k.name AS name FROM {table} AS r
JOIN JSON_TABLE(JSON_KEYS(r.vars), '$[*]' COLUMNS (
    number FOR ORDINALITY, name TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$'
)) AS k
WHERE r.time >= :begin AND r.time < :end AND JSON_TYPE(
    JSON_EXTRACT(JSON_EXTRACT(r.vars, '$.*'), CONCAT('$[', k.number - 1, ']'))
) IN ('INTEGER', 'UNSIGNED INTEGER', 'DOUBLE', 'DECIMAL')
GROUP BY k.name ORDER BY count(*) DESC, k.name LIMIT :most
"""
_QUERIES = {
    "sqlite": _SQLITE,
    "postgresql": _POSTGRESQL,
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}


class NumericVariables:
    """The numeric variables of a table of records.

    All records of an hour are searched: a rare request may have the variable that matters.

    :param table: the table of records.
    :param dialect: the name of SQLAlchemy's dialect.
    """

    def __init__(self, table: sa.Table, dialect: str) -> None:
        moment = table.columns.time.type
        self._query = sa.text(_QUERIES[dialect].format(table=table.name)).bindparams(
            sa.bindparam("begin", type_=moment),
            sa.bindparam("end", type_=moment),
            sa.bindparam("most", MAX_VARIABLES),
        )

    def names(self, connection: sa.Connection, within: Mapping[str, datetime]) -> tuple[str, ...]:
        """The names that most records of a range have a number in.

        :param within: ``begin`` and the exclusive ``end`` of the range.
        :returns: at most :data:`MAX_VARIABLES` names; sorted, so that hours with the same variables
            share one cached query.
        """
        rows: Any = connection.execute(self._query, dict(within)).all()
        return tuple(sorted(row.name for row in rows))
