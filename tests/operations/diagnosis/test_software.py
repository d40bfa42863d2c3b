"""The findings of the diagnosis about versions and platforms; older versions are simulated."""

from __future__ import annotations

from importlib import metadata

import pytest

from flask_chest.operations.diagnosis import software


def test_what_is_installed_here() -> None:
    """The versions of the tests are allowed."""
    assert [
        each.text for each in software.examine_software("disk", environ={}) if each.is_problem
    ] == []


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
    [found] = [
        each for each in software.examine_software("disk", environ={}) if "compiled" in each.text
    ]
    assert not found.is_problem
    assert "pip install" in found.remedy


@pytest.mark.parametrize(
    "variable",
    ["AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE", "FUNCTION_TARGET", "FUNCTIONS_WORKER_RUNTIME"],
)
def test_serverless(variable: str) -> None:
    """Where processes are frozen between requests, records must be delivered within them."""
    environ = {variable: "shop"}
    [found] = software.examine_platform("disk", "interval", environ)
    assert (found.is_problem, found.remedy) == (True, 'CHEST_FLUSH = "request"')
    assert list(software.examine_platform("disk", "request", environ)) == []
    assert list(software.examine_platform("none", "interval", environ)) == []


@pytest.mark.parametrize("variable", ["DYNO", "VCAP_APPLICATION", "GAE_INSTANCE"])
def test_disks_that_are_emptied(variable: str) -> None:
    """Where the disk is emptied at each restart, that is a note: most stores are seldom down."""
    [found] = software.examine_platform("disk", "interval", {variable: "web.1"})
    assert "empties the disk at each restart" in found.text
    assert not found.is_problem
    assert list(software.examine_platform("disk", "interval", {})) == []


@pytest.mark.parametrize(("library", "text"), [(("", ""), "no glibc"), (("glibc", "2.36"), "2.36")])
def test_the_system(library: tuple[str, str], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system is named: musl has no version that Python knows (simulated)."""
    monkeypatch.setattr("platform.libc_ver", lambda: library)
    assert any(text in each.text for each in software.examine_software("disk", environ={}))


def test_another_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """On macOS file systems and servers cannot be examined, which is said (simulated)."""
    monkeypatch.setattr("sys.platform", "darwin")
    texts = [each.text for each in software.examine_software("disk", environ={})]
    assert "darwin: file systems and servers cannot be examined" in texts
