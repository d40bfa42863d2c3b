"""Fields that a question can name: a column of the records, a variable or a tag."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import QueryError
from ..record.json_line import FIELDS
from .values import in_quotes, unquote

#: Columns that hold documents; a field is a member of one.
DOCUMENTS = ("vars", "tags")
#: Columns that hold numbers.
NUMBERS = ("status", "duration_ms", "sample_rate", "bytes_sent")
_MAX_LENGTH = 255
# Names that need no double quotes.
_PLAIN = re.compile(r'(?!")[^=!<>~]+')


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    :param place: ``"vars"``, ``"tags"``, or empty for a column.
    :param name: the column, or the name within the document.
    """

    document: str
    name: str

    @property
    def is_number(self) -> bool:
        """Whether the field always holds a number."""
        return not self.document and self.name in NUMBERS

    @property
    def is_boolean(self) -> bool:
        """Whether the field always holds ``true`` or ``false``."""
        return not self.document and self.name == "disconnected"

    def __str__(self) -> str:
        if not self.document:
            return self.name
        is_plain = _PLAIN.fullmatch(self.name) and self.name == self.name.strip()
        return f"{self.document}.{self.name if is_plain else in_quotes(self.name)}"


#: The default field to group by.
ROUTE = Field("", "route")


def parse_field(text: str) -> Field:
    """Parse ``route`` (a column), ``tags.version`` or ``vars.status``; other names are variables.

    A name in double quotes is taken as it is: ``"a=b"``, ``vars.""``.

    :raises QueryError: the name is empty, too long, or names a whole document.
    """
    name = text.strip()
    document, dot, rest = name.partition(".")
    if dot and document in DOCUMENTS:
        return Field(document, _checked(rest))
    if name in DOCUMENTS:
        raise QueryError(f"{name!r} is many values; name one of them, e.g. '{name}.user_id'")
    return Field("" if name in FIELDS else "vars", _checked(name))


def _checked(text: str) -> str:
    quoted = unquote(text)
    name = text if quoted is None else quoted
    if (quoted is None and not name) or len(name) > _MAX_LENGTH or "\0" in name:
        raise QueryError(
            f"{name[:40]!r} is no name of a column or a variable; expected 1 to {_MAX_LENGTH} "
            "characters, e.g. 'route' or 'user_id'"
        )
    return name
