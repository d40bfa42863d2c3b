"""``setup.cfg``, and the files that repeat parts of it."""

from __future__ import annotations

import re
from configparser import ConfigParser

from packaging.requirements import Requirement
from packaging.version import Version

from tests import ROOT


def test_oldest_holds_the_lower_bounds() -> None:
    """``tests/oldest.txt`` pins exactly the lower bounds of ``setup.cfg``."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    # The excluded extras are for development and for the examples.
    drivers = [extras[name] for name in extras if name not in {"all", "shop", "dev"}]
    allowed = "\n".join([config["options"]["install_requires"], *drivers])
    pins = (ROOT / "tests" / "oldest.txt").read_text()
    assert read_versions(pins, "==") == read_versions(allowed, ">=")


def test_sqlalchemy_1_4_is_tested() -> None:
    """The environment ``sqlalchemy14`` has the oldest SQLAlchemy that the package allows."""
    config = ConfigParser(interpolation=None)
    config.read([ROOT / "setup.cfg", ROOT / "tox.ini"])
    required = read_versions(config["options"]["install_requires"], ">=")
    installed = config["testenv:sqlalchemy14"]["deps"].split()
    assert f"SQLAlchemy=={required['SQLAlchemy']}" in installed
    assert "sqlalchemy14" in config["tox"]["env_list"]


def read_versions(text: str, operator: str) -> dict[str, Version]:
    found: dict[str, Version] = {}
    for line in re.sub(r"#.*", "", text).split():
        requirement = Requirement(line)
        (bound,) = [each for each in requirement.specifier if each.operator != "<"]
        assert bound.operator == operator, line
        version = Version(bound.version)
        # The extra postgresql needs a later SQLAlchemy than the package.
        found[requirement.name] = max(version, found.get(requirement.name, version))
    return found
