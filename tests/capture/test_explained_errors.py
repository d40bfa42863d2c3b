"""``CHEST_ERRORS`` and ``note_error``: messages, tracebacks and fingerprints of exceptions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Response, g
from werkzeug.routing import BuildError

from flask_chest.capture.exception_description import LIBRARY_FOLDERS

from ..apps import Site

SECRET = "hunter" + "2"

if sys.version_info < (3, 11):
    ExceptionGroup: Any = None


def explained(make_site: Callable[..., Site], error: Any, **config: Any) -> dict[str, Any]:
    """Return the variables of a request that fails with an exception."""
    site = make_site(**{"CHEST_ERRORS": "traceback", **config})

    def view() -> str:
        raise error

    site.app.add_url_rule("/", "view", view)
    assert site.client.get("/").status_code == 500
    return dict(site.take().vars)


def test_the_class_alone_by_default(site: Site) -> None:
    """Without the key, no text of an exception is recorded."""

    def view() -> str:
        raise ValueError("card 4111")

    site.app.add_url_rule("/", "view", view)
    site.client.get("/")
    record = site.only()
    assert (record.error, dict(record.vars)) == ("ValueError", {})


def test_message_and_traceback(make_site: Callable[..., Site]) -> None:
    """The traceback has source lines, short paths, causes, and no local variables."""
    site = make_site(CHEST_ERRORS="traceback")

    def charge(card_number: str) -> None:
        try:
            raise KeyError("gateway")
        except KeyError as error:
            raise ValueError(f"declined, password={card_number}") from error

    @site.app.get("/")
    def view() -> str:
        g.user_id = 42
        charge(SECRET)
        return "never"

    site.client.get("/")
    record = site.only()
    assert record.error == "ValueError"
    assert record.vars["exception.message"] == "declined, password=[REDACTED]"
    lines = str(record.vars["exception.stacktrace"]).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "KeyError: 'gateway'" in lines
    assert "The above exception was the direct cause of the following exception:" in lines
    assert lines[-1] == "ValueError: declined, password=[REDACTED]"
    files = [line.strip().removeprefix('File "') for line in lines if line.startswith("  File")]
    own = [each for each in files if not each.startswith(LIBRARY_FOLDERS)]
    assert [each.partition('"')[0] for each in own] == [
        "tests/capture/test_explained_errors.py"
    ] * 3
    assert any(each.startswith("site-packages/flask/app.py") for each in files)
    assert "hunter2" not in str(record)


def test_message_without_traceback(make_site: Callable[..., Site]) -> None:
    """``"message"`` records no traceback."""
    variables = explained(make_site, ValueError("no"), CHEST_ERRORS="message")
    assert list(variables) == ["error.fingerprint", "exception.message"]


def test_the_fingerprint_outlives_a_release(make_site: Callable[..., Site]) -> None:
    """Class and functions matter, but no lines, no texts and no depth of a recursion."""
    site = make_site(CHEST_ERRORS="message")
    source = """
def descend(depth, kind):
    if depth:
        descend(depth - 1, kind)
    raise kind(depth)
{0}
def {1}():
    descend({2}, {3})
"""

    def fingerprint(*parts: object) -> object:
        namespace: dict[str, Any] = {"__name__": "shop.pay"}
        exec(compile(source.format(*parts), "/srv/shop/pay.py", "exec"), namespace)
        site.app.view_functions["view"] = namespace[str(parts[1])]
        site.client.get("/")
        return site.take().vars["error.fingerprint"]

    site.app.add_url_rule("/", "view", lambda: "")
    first = fingerprint("", "pay", 1, "KeyError")
    assert first == fingerprint("# a line\n\n", "pay", 9, "KeyError")
    assert (
        len({first, fingerprint("", "buy", 1, "KeyError"), fingerprint("", "pay", 1, "OSError")})
        == 3
    )


def test_an_error_without_own_frames(make_site: Callable[..., Site]) -> None:
    """A request that fails within Flask is grouped by Flask's functions."""
    site = make_site(CHEST_ERRORS="traceback")
    site.app.add_url_rule("/", "view", None)
    site.app.view_functions["view"] = None  # type: ignore[assignment]
    site.client.get("/")
    record = site.only()
    assert record.error == "TypeError"
    assert len(str(record.vars["error.fingerprint"])) == 16


class StrRaisesError(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


def test_str_that_raises(make_site: Callable[..., Site]) -> None:
    """Even ``SystemExit`` from ``__str__`` does not reach the request."""
    variables = explained(make_site, StrRaisesError())
    assert variables["exception.message"] == "<str() raised SystemExit>"
    assert variables["exception.stacktrace"].endswith("StrRaisesError: <str() raised SystemExit>\n")


def test_ten_megabytes(make_site: Callable[..., Site]) -> None:
    """Text and traceback keep the limit of one value; the end of the traceback is kept."""
    variables = explained(make_site, ValueError("ä" * 10_000_000), CHEST_MAX_VALUE_BYTES=2048)
    assert len(variables["exception.message"].encode()) <= 2048 + 10
    assert len(variables["exception.stacktrace"].encode()) <= 2048 + 10
    assert "ValueError: ää" in variables["exception.stacktrace"]


def test_deep_recursion(make_site: Callable[..., Site]) -> None:
    """A thousand frames become some dozens, with the first and the last of them."""
    site = make_site(CHEST_ERRORS="traceback")

    def descend(depth: int) -> int:
        return descend(depth + 1)

    site.app.add_url_rule("/", "view", lambda: str(descend(0)))
    site.client.get("/")
    trace = str(site.only().vars["exception.stacktrace"])
    assert len(trace.encode()) <= 8192 + 10
    assert " frames]" in trace
    assert "RecursionError: maximum recursion depth exceeded" in trace


def test_cycles_of_causes(make_site: Callable[..., Site]) -> None:
    """Each exception of a cycle is shown once, and a long chain is cut."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    trace = explained(make_site, first)["exception.stacktrace"]
    assert (trace.count("ValueError: first"), trace.count("ValueError: second")) == (1, 1)


def test_a_long_chain_of_causes(make_site: Callable[..., Site]) -> None:
    """Of a thousand causes, eight are shown."""
    error: BaseException = ValueError(0)
    for number in range(1, 1000):
        later = ValueError(number)
        later.__cause__ = error
        error = later
    trace = explained(make_site, error)["exception.stacktrace"]
    assert trace.count("direct cause") == 7
    assert trace.endswith("ValueError: 999\n")


@pytest.mark.skipif("sys.version_info < (3, 11)", reason="Python has groups since 3.11")
def test_a_group_of_one(make_site: Callable[..., Site]) -> None:
    """It has the message of its exception; the traceback shows both."""
    group = ExceptionGroup("outer", [ExceptionGroup("inner", [ValueError("no")])])
    variables = explained(make_site, group)
    assert variables["exception.message"] == "no"
    lines = [each.strip(" |") for each in variables["exception.stacktrace"].splitlines()]
    assert "ExceptionGroup: outer (1 sub-exception)" in lines
    assert "ValueError: no" in lines


@pytest.mark.skipif("sys.version_info < (3, 11)", reason="Python has groups since 3.11")
def test_a_group_of_a_thousand(make_site: Callable[..., Site]) -> None:
    """A few exceptions are shown and the rest is counted, also in groups of groups."""
    inner = ExceptionGroup("inner", [KeyError(number) for number in range(1000)])
    trace = explained(make_site, ExceptionGroup("outer", [inner, ValueError("x")]))[
        "exception.stacktrace"
    ]
    assert "ExceptionGroup: outer (2 sub-exceptions)" in trace
    assert trace.count("KeyError: ") == 5
    assert "and 995 more exceptions" in trace
    deep: Exception = ValueError("deepest")
    for _ in range(50):
        deep = ExceptionGroup("level", [deep])
    assert "and 1 more exceptions" in explained(make_site, deep)["exception.stacktrace"]


def test_surrogates_and_nul(make_site: Callable[..., Site]) -> None:
    """Texts that stores reject are cleaned."""
    site = make_site(CHEST_ERRORS="message")

    @site.app.get("/")
    def view() -> str:
        # Not raised: pytest could not pass the log line about it on.
        site.chest.note_error(ValueError("\ud800\0"))
        return "ok"

    site.client.get("/")
    assert site.only().vars["exception.message"] == "�␀"


def test_the_error_of_a_stream(make_site: Callable[..., Site]) -> None:
    """An exception that ends a body in the middle is explained too."""
    site = make_site(CHEST_ERRORS="message")

    def body() -> Iterator[str]:
        yield "a"
        raise BuildError("x", {}, None)

    site.app.add_url_rule("/", "view", lambda: Response(body()))
    response = site.client.get("/", buffered=False)
    with pytest.raises(BuildError):
        list(response.response)
    record = site.only()
    assert record.error == "werkzeug.routing.exceptions.BuildError"
    assert "Could not build url" in str(record.vars["exception.message"])


def test_note_error(make_site: Callable[..., Site]) -> None:
    """A handled error is recorded, and kept by sampling; the request did not fail."""
    site = make_site(CHEST_ERRORS="message", CHEST_SAMPLE_RATE=0.0)

    @site.app.get("/<int:count>")
    def view(count: int) -> str:
        for number in range(count):
            try:
                raise ConnectionError(f"bank {number} token=abc")
            except ConnectionError as error:
                site.chest.note_error(error)
        return "paid later"

    assert site.client.get("/2").status_code == 200
    record = site.take()
    assert (record.error, record.status, record.sample_rate) == (None, 200, 1.0)
    assert record.vars["error.handled"] == 2
    assert record.vars["exception.type"] == "ConnectionError"
    assert record.vars["exception.message"] == "bank 0 token=[REDACTED]"
    site.client.get("/0")
    assert site.records == []


def test_note_error_by_default(site: Site) -> None:
    """Without ``CHEST_ERRORS`` it has class and fingerprint; an unhandled error comes first."""

    @site.app.get("/")
    def view() -> str:
        site.chest.note_error(KeyError("secret"))
        site.chest.note_error("no exception")  # type: ignore[arg-type]
        return "ok"

    @site.app.get("/fails")
    def fails() -> str:
        site.chest.note_error(KeyError("secret"))
        raise OSError

    site.client.get("/")
    variables = site.take().vars
    assert list(variables) == ["error.handled", "exception.type", "error.fingerprint"]
    site.client.get("/fails")
    record = site.take()
    assert (record.error, dict(record.vars)) == ("OSError", {"error.handled": 1})
    site.chest.note_error(KeyError())  # outside of a request
