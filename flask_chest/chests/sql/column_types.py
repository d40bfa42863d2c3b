"""The SQL type of numbers in double precision, which SQLAlchemy 1.4 does not have.

SQLAlchemy 2 has ``sa.Double``, and compiles it to the same names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

if TYPE_CHECKING:
    _Float = sa.Float[float]
else:
    _Float = sa.Float


class Double(_Float):
    """A floating point number of 64 bits."""


@compiles(Double)  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _compile(type_: Double, compiler: Any, **options: Any) -> str:
    return "DOUBLE"


@compiles(Double, "postgresql")  # type: ignore[no-untyped-call, untyped-decorator, unused-ignore]
def _compile_for_postgresql(type_: Double, compiler: Any, **options: Any) -> str:
    return "DOUBLE PRECISION"
