"""The threat model names tests that exist, and a release is audited first."""

from __future__ import annotations

import ast
import re
from configparser import ConfigParser

from tests import ROOT

PAGE = (ROOT / "docs" / "security.rst").read_text(encoding="utf-8")


def functions_of(file: str) -> set[str]:
    """Return the names of the functions of a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}


def test_every_threat_has_tests_that_exist() -> None:
    """Each attacker has a list of tests, and each listed test is in its file."""
    model = PAGE.partition("Threat model")[2].partition("Not covered")[0]
    attackers = re.split(r"^\*\*", model, flags=re.MULTILINE)[1:]
    assert len(attackers) == 5
    for text in attackers:
        named = re.findall(r"``(tests/[\w/]+\.py)::(\w+)``", text)
        assert named, text
        assert [name for file, name in named if name not in functions_of(file)] == []


def test_a_release_is_audited_first() -> None:
    """A release is built only after the audit, which runs both tools."""
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert "needs: audit" in workflow
    assert "run: tox -e audit" in workflow
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    commands = tox["testenv:audit"]["commands"]
    assert "pip-audit" in commands
    assert "detect-secrets-hook" in commands
