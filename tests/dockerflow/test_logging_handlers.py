"""Tests that handlers, streams and logging configurations write mozlog lines."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import queue
from logging.handlers import QueueHandler
from pathlib import Path
from typing import Any

import pytest

from flask_chest.dockerflow.logging import MozlogHandler

from .log_lines import line_of, record


def test_handler() -> None:
    """The handler writes one line for each record, with its own name."""
    stream = io.StringIO()
    handler = MozlogHandler(stream, "shop")
    made = record("one\ntwo")
    handler.handle(made)
    handler.handle(record("three"))
    one, three = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (one["Logger"], one["Fields"]["msg"]) == ("shop", "one\ntwo")
    assert three["Fields"]["msg"] == "three"
    assert vars(made)["logger_name"] == "shop"


def test_handler_of_a_broken_stream(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a stream cannot be written to, the error goes to stderr and is not raised."""
    stream = io.StringIO()
    handler = MozlogHandler(stream)
    stream.close()
    handler.handle(record())
    assert "closed file" in capsys.readouterr().err


def test_ascii_stream() -> None:
    """A line can be written to a stream of any encoding."""
    raw = io.BytesIO()
    handler = MozlogHandler(io.TextIOWrapper(raw, encoding="ascii"))
    handler.handle(record("\u0416"))
    assert json.loads(raw.getvalue())["Fields"]["msg"] == "\u0416"


def test_dict_config(capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration of python-dockerflow's documentation works with the new names."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request_id": {"()": "flask_chest.dockerflow.logging.RequestIdLogFilter"}},
            "handlers": {
                "console": {
                    "level": "DEBUG",
                    "class": "flask_chest.dockerflow.logging.MozlogHandler",
                    "name": "shop",
                    "filters": ["request_id"],
                }
            },
            "loggers": {"tests.configured": {"handlers": ["console"], "level": "DEBUG"}},
        }
    )
    logger = logging.getLogger("tests.configured")
    logger.info("up", extra={"phase": "started"})
    logger.handlers.clear()
    fields = json.loads(capsys.readouterr().out)["Fields"]
    fields.pop("rid", None)  # of a request that an earlier test made in this thread
    assert fields == {"phase": "started", "msg": "up"}


def test_file_config(tmp_path: Path) -> None:
    """An ini file may give stream and name as positional arguments."""
    ini = tmp_path / "logging.ini"
    ini.write_text(
        "[loggers]\nkeys = root,it\n[handlers]\nkeys = console\n[formatters]\nkeys =\n"
        "[logger_root]\nhandlers =\n"
        "[logger_it]\nqualname = tests.ini\nlevel = INFO\nhandlers = console\n"
        "[handler_console]\nclass = flask_chest.dockerflow.logging.MozlogHandler\n"
        "args = (sys.stdout, 'tests')\n"
    )
    logging.config.fileConfig(ini, disable_existing_loggers=False)
    (handler,) = logging.getLogger("tests.ini").handlers
    logging.getLogger("tests.ini").removeHandler(handler)
    assert isinstance(handler, MozlogHandler)
    assert handler.logger_name == "tests"


def test_through_a_queue() -> None:
    """Records that passed through a queue keep their fields."""
    through: queue.Queue[Any] = queue.Queue()
    QueueHandler(through).emit(record("%s", "hello", host="h"))
    assert line_of(through.get())["Fields"] == {"host": "h", "msg": "hello"}
