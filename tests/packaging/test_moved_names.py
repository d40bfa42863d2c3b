"""The table of moved names in ``docs/upgrading.rst``."""

from __future__ import annotations

import re
from pkgutil import resolve_name

import pytest

from tests import ROOT

_ROW = re.compile(r"^``(flask_chest\.[\w.]+)`` +``(flask_chest\.[\w.]+)``$", re.M)
MOVED = _ROW.findall((ROOT / "docs" / "upgrading.rst").read_text())


@pytest.mark.parametrize(("before", "now"), MOVED)
def test_the_new_name_exists_and_the_old_one_is_gone(before: str, now: str) -> None:
    """Each new name can be imported, and no old name can."""
    assert resolve_name(now) is not None
    with pytest.raises((ImportError, AttributeError)):
        resolve_name(before)


def test_the_table_is_found() -> None:
    """The regular expression finds the rows of the table."""
    assert ("flask_chest.encoding.Batch", "flask_chest.record.batch.Batch") in MOVED
