"""The report on suites finds tests that a chest breaks, and time that it takes; simulated runs."""

from __future__ import annotations

import pytest

from .__main__ import report
from .runs import Run


def runs(seconds: float, *names: str) -> list[Run]:
    return [Run(frozenset(names), each, each) for each in (seconds, seconds + 1)]


@pytest.mark.parametrize(
    ("chest", "good"),
    [
        (runs(1.1, "a", "b"), True),
        (runs(1.2, "a", "b"), False),
        (runs(1.0, "a"), False),
        (runs(1.0, "a", "b", "c"), True),
    ],
)
def test_a_suite(chest: list[Run], good: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """The same tests pass, in at most 1.15 of the time of the fastest run."""
    assert report("suite", runs(1.0, "a", "b"), chest) is good
    assert ("FAILED" in capsys.readouterr().out) is not good


def test_a_suite_that_does_not_run() -> None:
    """A suite in which no test passes proves nothing."""
    assert not report("suite", runs(1.0), runs(1.0))


def test_an_excused_test() -> None:
    """A test that cannot pass with a chest is left out, and any other counts."""
    for chest, good in ((runs(1.0, "x.a"), True), (runs(1.0, "x.b"), False)):
        assert report("suite", runs(1.0, "x.a", "x.b"), chest, ["b"]) is good
