"""The comparison of real apps finds what a chest must not change; the answers are made up."""

from __future__ import annotations

import pytest

from .catalogue import APPS, Visit
from .comparison import Answer, differences

_VISITS = [Visit("GET", "/")]


def answer(status: int = 200, body: bytes = b"ok", **headers: str) -> list[Answer]:
    return [Answer(status, headers, body)]


def found(first: list[Answer], second: list[Answer], chest: list[Answer]) -> list[str]:
    return list(differences(_VISITS, (first, second), chest))


@pytest.mark.parametrize(
    ("chest", "words"),
    [
        (answer(status=500), "status 200 became 500"),
        (answer(body=b"other"), "the body changed"),
        (answer(etag="1"), "headers added ['etag']"),
    ],
)
def test_a_difference(chest: list[Answer], words: str) -> None:
    """Status, headers and body must be the same."""
    [difference] = found(answer(), answer(), chest)
    assert words in difference


def test_headers() -> None:
    """A header must neither go nor change; ``X-Request-ID`` is the chest's own."""
    assert found(answer(), answer(), [Answer(200, {"x-request-id": "1"}, b"ok")]) == []
    assert "missing ['vary']" in found(answer(vary="a"), answer(vary="a"), answer())[0]
    assert "'a' became 'b'" in found(answer(vary="a"), answer(vary="a"), answer(vary="b"))[0]


def test_what_is_not_deterministic() -> None:
    """A value that differs between two runs without a chest may differ with one."""
    assert found(answer(body=b"1"), answer(body=b"2"), answer(body=b"3")) == []
    assert found(answer(date="1"), answer(date="1"), answer(date="3")) == []
    assert found(answer(etag="1"), answer(etag="2"), answer(etag="3")) == []


def test_the_apps() -> None:
    """At least five apps are visited, each with some requests that fail."""
    assert len({app.module for app in APPS}) >= 5
    assert all(len(app.visits) >= 10 for app in APPS)
