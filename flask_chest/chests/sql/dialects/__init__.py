"""SQL expressions that differ between databases."""

from .base import Dialect, Expression, Member
from .mysql import MySQL
from .postgresql import PostgreSQL
from .sqlite import SQLite

__all__ = ["DIALECTS", "Dialect", "Expression", "Member"]

#: The dialect of each database, by SQLAlchemy's name.
DIALECTS: dict[str, type[Dialect]] = {
    "sqlite": SQLite,
    "postgresql": PostgreSQL,
    "mysql": MySQL,
    "mariadb": MySQL,
}
