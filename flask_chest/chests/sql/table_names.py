"""Names and versions of the tables of all SQL stores; usable without SQLAlchemy."""

from __future__ import annotations

import re

from ...errors import ConfigError

#: The schema version of this release.
SCHEMA_VERSION = 3
#: The table of schema versions, with one row for each table of records.
VERSIONS = "chest_schema"
#: The table of maintenance state: lease and progress of rollups.
MAINTENANCE = "chest_upkeep"

# ASCII, and short enough for index names to fit into PostgreSQL's 63 bytes.
_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")


def check_table_name(name: object) -> str:
    """Return the name of a table of records.

    :raises flask_chest.errors.ConfigError: the name would need quotes or is too long.
    """
    if not isinstance(name, str) or not _TABLE_NAME.fullmatch(name):
        raise ConfigError(
            f"table {name!r}: use letters, digits and underscores, at most 40 of them"
        )
    return name


def view_name(records: str) -> str:
    """The name of the view of variables: ``chest_vars`` for ``chest_records``."""
    return "chest_vars" if records == "chest_records" else f"{records}_vars"


def rollups_name(records: str) -> str:
    """The name of the table of rollups."""
    return f"{records}_rollups"


#: The start of the id of a rollup that counts pruned records.
PRUNED_PREFIX = "pruned-"


def late_key(records: str) -> str:
    """The key of the row of the maintenance table that reports late records."""
    return state_key(records, "late")


def late_hour_prefix(records: str) -> str:
    """The start of the keys of the rows that report hours with late records."""
    return state_key(records, "late:")


def late_hour_key(records: str, hour: int) -> str:
    """The key of the row that reports late records of an hour.

    :param hour: its start: seconds since 1970.
    """
    return f"{late_hour_prefix(records)}{hour // 3600}"


def state_key(records: str, state: str) -> str:
    """The key of a row of the maintenance table besides the lease."""
    # The name of a table has no colon.
    return f"{records}:{state}"


def foreign_table(name: str, missing: list[str]) -> tuple[str, str]:
    """The reason and the remedy if a table was not created by this package.

    :param missing: columns of a table of records that it lacks.
    """
    reason = f"a table {name!r} with other columns exists already"
    return reason, f"it lacks {', '.join(missing)}; give this chest another 'table'"
