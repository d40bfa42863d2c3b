"""Every example of python-dockerflow's page on Flask that is about logging."""

from __future__ import annotations

import json
import logging
import logging.config

import pytest
from flask import Flask

from .conftest import Lines, summaries
from .test_documented_examples import run


def test_logging(lines: Lines, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's logging configuration (whose import should read ``logging.config``)."""
    run("""
from logging.config import dictConfig

dictConfig({
    'version': 1,
    'disable_existing_loggers': False,
    'filters': {
        'request_id': {
            '()': 'flask_chest.dockerflow.logging.RequestIdLogFilter',
        },
    },
    'handlers': {
        'console': {
            'level': 'DEBUG',
            'class': 'flask_chest.dockerflow.logging.MozlogHandler',
            'filters': ['request_id']
        },
    },
    'loggers': {
        'request.summary': {
            'handlers': ['console'],
            'level': 'DEBUG',
        },
    }
})
""")
    from flask_chest.dockerflow import Dockerflow

    app = Flask("logged")
    app.config["DOCKERFLOW_SUMMARY_LOG_QUERYSTRING"] = True
    Dockerflow(app)
    app.test_client().get("/?a=b")
    logging.getLogger("request.summary").handlers.clear()
    line = json.loads(capsys.readouterr().out)
    assert line["Fields"]["querystring"] == "a=b"
    assert line["Logger"] == "Dockerflow"


def test_fields_of_ones_own(lines: Lines) -> None:
    """``extra=`` adds fields to a line."""
    run(
        """
logger.info(
    "Subsystem %s running at %s:%s",
    name, host, port,
    extra={"phase": "started", "host": host, "port": port}
)
""",
        logger=logging.getLogger("dockerflow.example"),
        name="db",
        host="localhost",
        port=5432,
    )
    (line,) = lines()
    line["Fields"].pop("rid", None)
    assert line["Fields"] == {
        "msg": "Subsystem db running at localhost:5432",
        "phase": "started",
        "host": "localhost",
        "port": 5432,
    }


def test_request_id_header(lines: Lines) -> None:
    """``DOCKERFLOW_REQUEST_ID_HEADER_NAME`` with the header of the page's example."""
    from flask_chest.dockerflow import Dockerflow

    app = Flask("traced")
    app.config.from_mapping(
        run("""
DOCKERFLOW_REQUEST_ID_HEADER_NAME = "X-Cloud-Trace-Context"
""")
    )
    Dockerflow(app)
    header = {"X-Cloud-Trace-Context": "105445aa7843bc8bf206b12000100000/1;o=1"}
    app.test_client().get("/", headers=header)
    (fields,) = summaries(lines())
    assert fields["rid"] == header["X-Cloud-Trace-Context"]
