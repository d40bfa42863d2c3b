"""Tests mozlog: every record is one line of valid JSON, whatever its content."""

from __future__ import annotations

import enum
import json
import logging
import logging.config
import os
import sys
import uuid
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_chest.dockerflow.logging import (
    JsonLogFormatter,
    MozlogFormatter,
    RequestIdLogFilter,
    request_id_context,
    safer_format_traceback,
)

from .log_lines import line_of, record


def caught(error: BaseException) -> Any:
    try:
        raise error
    except BaseException:
        return sys.exc_info()


def test_all_properties() -> None:
    """A line has all properties of mozlog 2.0."""
    made = record("%s is up", "redis", level=logging.WARNING, host="h", port=6379)
    assert line_of(made) == {
        "Timestamp": int(made.created * 1e9),
        "Type": "tests.logging",
        "Logger": "shop",
        "Hostname": os.uname().nodename,
        "EnvVersion": "2.0",
        "Severity": 4,
        "Pid": os.getpid(),
        "Fields": {"host": "h", "port": 6379, "msg": "redis is up"},
    }


@pytest.mark.parametrize(
    ("level", "severity"), [(10, 7), (20, 6), (30, 4), (40, 3), (50, 2), (25, 7)]
)
def test_severity(level: int, severity: int) -> None:
    """Levels become syslog severities; an unknown level becomes debug."""
    assert line_of(record(level=level))["Severity"] == severity


def test_exceptions() -> None:
    """An exception has its traceback, and its text as a repr, without newlines."""
    forged = 'x\n{"Severity": 0, "Fields": {"msg": "forged"}}\u2028and\x85more\r\x1b[2K'
    fields = line_of(record(exc_info=caught(ValueError(forged))))["Fields"]
    assert fields["error"] == repr(ValueError(forged))
    assert fields["traceback"].startswith("Uncaught exception:\n")
    assert "in caught" in fields["traceback"]
    assert "\\n{" in fields["traceback"]
    assert forged not in fields["traceback"]


def test_no_exception() -> None:
    """``logger.exception`` outside of an except clause adds no error."""
    fields = line_of(record(exc_info=(None, None, None)))["Fields"]
    assert fields == {"msg": "hello"}


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class UnprintableError(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


class Colour(enum.Enum):
    RED = 1


class Shout(str):
    __slots__ = ()


CYCLE: list[Any] = []


CYCLE.append(CYCLE)


MOMENT = datetime(2026, 11, 21, tzinfo=timezone.utc)


IDENTITY = uuid.UUID(int=7)


VALUES: dict[str, tuple[Any, Any]] = {
    "bytes": (b"\xff", "b'\\xff'"),
    "object": (MOMENT, repr(MOMENT)),
    "uuid": (IDENTITY, repr(IDENTITY)),
    "enum": (Colour.RED, "<Colour.RED: 1>"),
    "decimal": (Decimal("1.5"), "Decimal('1.5')"),
    "class": (int, "<class 'int'>"),
    "nan": (float("nan"), "nan"),
    "infinity": (float("-inf"), "-inf"),
    "big": (2**80, 2**80),
    "huge": (10**5000, "<unprintable int>"),
    "text": (
        "caf\u00e9 \u2028\u2029\x85\x00\U0001f600",
        "caf\u00e9 \u2028\u2029\x85\x00\U0001f600",
    ),
    "half a surrogate": ("x\udc80", "x\\udc80"),
    "own text": (Shout("loud"), "loud"),
    "unprintable": (Unprintable(), "<unprintable Unprintable>"),
    "bool": (True, True),
    "float": (0.5, 0.5),
    "list": (["a", "b"], ["a", "b"]),
    "tuple": ((1, 2), [1, 2]),
    "set": ({1}, "{1}"),
}


@pytest.mark.parametrize(("value", "written"), VALUES.values(), ids=VALUES)
def test_values(value: Any, written: Any) -> None:
    """Values that JSON supports are unchanged; others are written as their repr."""
    assert line_of(record(value=value))["Fields"]["value"] == written


@pytest.mark.parametrize(
    "value",
    [CYCLE, {"a": CYCLE}, {1: {None: {(1, 2): Unprintable()}}}, [[[[Unprintable()]]]]],
    ids=["cycle", "cycle in a dict", "odd keys", "deep"],
)
def test_structures(value: Any) -> None:
    """Nested values are kept, although the schema has no nested values."""
    text = MozlogFormatter().format(record(value=value))
    assert json.loads(text)["Fields"]["value"]


def test_none_is_left_out() -> None:
    """Mozlog has no null, so a field that is ``None`` is left out."""
    assert line_of(record(rid=None, uid=""))["Fields"] == {"uid": "", "msg": "hello"}


def test_messages_that_are_json() -> None:
    """A message that is a JSON object is left out, unless it is the only field."""
    assert line_of(record('{"a": 1}', b=2))["Fields"] == {"b": 2}
    assert line_of(record('{"a": 1}'))["Fields"] == {"msg": '{"a": 1}'}
    assert line_of(record(""))["Fields"] == {"msg": ""}


@pytest.mark.parametrize(
    "made",
    [
        record("%s %s", "one"),
        record("%d", "no number"),
        record(UnprintableError()),
        record("%s", Unprintable()),
        record(exc_info=caught(UnprintableError("x"))),
        record({"a": 1}),
        record(b"\xff"),
    ],
    ids=["few", "kind", "message", "argument", "exception", "dict", "bytes"],
)
def test_wrong_log_calls(made: logging.LogRecord) -> None:
    """A log call with wrong arguments still writes a line."""
    assert line_of(made)["Fields"]["msg"]


def test_no_process_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line has the process id even if logging does not collect it."""
    monkeypatch.setattr(logging, "logProcesses", False)
    assert line_of(record())["Pid"] == os.getpid()


def test_fields_of_a_record_factory() -> None:
    """Attributes that a record class sets before logging's own are fields too."""

    class Early(logging.LogRecord):
        def __init__(self, *args: Any) -> None:
            self.early = "e"
            super().__init__(*args)
            self.late = "l"

    made = Early("x", 20, "", 0, "hello", (), None)
    assert line_of(made)["Fields"] == {"early": "e", "late": "l", "msg": "hello"}


def test_override() -> None:
    """``convert_record`` can be extended, as users of python-dockerflow do."""

    class Formatter(MozlogFormatter):
        def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
            line = super().convert_record(record)
            line["Fields"]["service"] = "shop"
            line["Time"] = MOMENT
            return line

    line = line_of(record("caf\u00e9"), Formatter())
    assert line["Fields"] == {"msg": "caf\u00e9", "service": "shop"}
    assert "2026" in line["Time"]


def test_json_log_formatter() -> None:
    """``JsonLogFormatter`` writes the same lines."""
    assert line_of(record(), JsonLogFormatter(logger_name="old"))["Logger"] == "old"


def test_request_id_filter() -> None:
    """The filter sets the request's id on a record, and keeps an earlier id."""
    token = request_id_context.set(None)
    try:
        made = record()
        assert RequestIdLogFilter().filter(made)
        assert vars(made)["rid"] is None
        queued = record(rid="from the request's thread")
        RequestIdLogFilter().filter(queued)
        assert vars(queued)["rid"] == "from the request's thread"
        request_id_context.set("7")
        RequestIdLogFilter().filter(made)
        assert vars(made)["rid"] == "7"
    finally:
        request_id_context.reset(token)


def test_traceback_text() -> None:
    """The traceback can be formatted separately."""
    text = safer_format_traceback(*caught(KeyError("a\nb")))
    assert text.endswith("<class 'KeyError'>\nKeyError('a\\nb')\n")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


# Hypothesis' text() leaves surrogates out.
NASTY = st.text(st.characters(codec=None, categories=["Cc", "Cs", "Zl", "Zp", "Lu", "Cf"]))


@given(msg=ANYTHING | NASTY, value=ANYTHING | NASTY)
def test_any_record_is_one_line(msg: Any, value: Any) -> None:
    """No message and no field results in several lines or in invalid JSON."""
    text = MozlogFormatter().format(record(msg, value=value))
    assert text.isascii()
    assert len(text.splitlines()) == 1
    json.loads(text, parse_constant=pytest.fail)
