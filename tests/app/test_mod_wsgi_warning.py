"""The warning about a sub-interpreter of mod_wsgi."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.apps import make_app


@pytest.mark.parametrize(("group", "warnings"), [("example.org|/two", 1), ("", 0)])
def test_the_directive_is_named_at_the_start(
    tmp_path: Path,
    group: str,
    warnings: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Simulates the module that mod_wsgi puts into each interpreter; the main one has no name."""
    module = ModuleType("mod_wsgi")
    module.application_group = group  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mod_wsgi", module)
    make_app(tmp_path)
    assert caplog.text.count("WSGIApplicationGroup %{GLOBAL}") == warnings
