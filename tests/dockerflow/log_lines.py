"""Makes log records, and checks the lines that a formatter makes of them."""

from __future__ import annotations

import json
import logging
import logging.config
from typing import Any

import jsonschema
import pytest

from flask_chest.dockerflow.logging import MozlogFormatter

from .mozlog_schema import MOZLOG


def record(
    msg: object = "hello", *args: object, level: int = logging.INFO, **extra: Any
) -> logging.LogRecord:
    """Return a log record with these attributes."""
    exc_info = extra.pop("exc_info", None)
    made = logging.LogRecord("tests.logging", level, __file__, 1, msg, args, exc_info)
    vars(made).update(extra)
    return made


def line_of(made: logging.LogRecord, formatter: logging.Formatter | None = None) -> dict[str, Any]:
    """Return the parsed line of a log record, which must be valid mozlog."""
    text = (formatter or MozlogFormatter(logger_name="shop")).format(made)
    assert text.isascii()
    assert len(text.splitlines()) == 1
    line: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    jsonschema.validate(line, MOZLOG)
    return line
