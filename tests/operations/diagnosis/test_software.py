"""What the diagnosis says about versions and platforms; older versions are simulated."""

from __future__ import annotations

from importlib import metadata

import pytest

from flask_chest.operations.diagnosis import software


def test_what_is_installed_here() -> None:
    """The versions of the tests are allowed."""
    assert [each.text for each in software.examine_software("disk", {}) if each.is_problem] == []


def test_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too old and too new versions are named with the command that mends them."""
    monkeypatch.setattr(
        metadata,
        "requires",
        lambda _: ["Flask>=3.0", "APScheduler>=3.10,<4", 'redis[x]>=5.0; extra == "redis"'],
    )
    monkeypatch.setattr(
        metadata, "version", {"Flask": "2.3.3", "APScheduler": "4.0.0a5", "redis": "5.0.1"}.get
    )
    assert [each.remedy for each in software.examine_versions()] == [
        "pip install 'APScheduler>=3.10,<4'",
        "pip install 'Flask>=3.0'",
    ]


def test_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slim bundles have no metadata; that is not a problem by itself."""

    def missing(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", missing)
    assert [each.is_problem for each in software.examine_versions()] == [False]
    monkeypatch.setattr(metadata, "requires", lambda _: ["Flask>=3.0"])
    monkeypatch.setattr(metadata, "version", missing)
    assert [each.is_problem for each in software.examine_versions()] == [False]


def test_pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled module is optional, so its absence is a note."""
    monkeypatch.setattr(software, "COMPILED", False)
    [found] = [each for each in software.examine_software("disk", {}) if "compiled" in each.text]
    assert not found.is_problem
    assert "pip install" in found.remedy


@pytest.mark.parametrize("variable", ["AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE"])
def test_serverless(variable: str) -> None:
    """Where processes are frozen between requests, records must be delivered within them."""
    environ = {variable: "shop"}
    found = [each for each in software.examine_software("disk", environ) if each.is_problem]
    assert [each.remedy for each in found] == ['CHEST_BUFFER = "none"']
    assert not any(each.is_problem for each in software.examine_software("none", environ))
