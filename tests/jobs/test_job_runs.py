"""Jobs as records: joined to the request that has sent them, with what they put on ``g``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest
from flask import Flask, g

from flask_chest.capture.job_state import REQUEST_ID
from flask_chest.jobs.job_runs import JobRuns
from flask_chest.logs import add_request_context

from ..apps import Site

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def send(site: Site, runs: JobRuns) -> tuple[dict[str, str], Any]:
    """Return what a job's message carries that a request sends, and the request's record."""
    sent: list[dict[str, str]] = []
    site.app.add_url_rule("/send", "send", lambda: sent.append(runs.headers()) or "ok")  # type: ignore[func-returns-value]
    site.client.get("/send", headers={"X-Request-ID": "r-1", "traceparent": PARENT})
    return sent[0], site.take()


def test_a_job_of_a_request(site: Site) -> None:
    """Its record has the request's id and trace, and values from several app contexts."""
    runs = JobRuns(site.app, "queue")
    headers, request = send(site, runs)
    assert headers[REQUEST_ID] == "r-1"
    runs.begin("m-1", "shop.mail", queue="mails", retries=2, headers=headers)
    with site.app.app_context():
        g.mail, g.token = 7, "abc"
    with site.app.app_context(), site.chest.span("render"):
        g.size = 9
    assert add_request_context(None, "", {"event": "x"})["request_id"] == "r-1"
    runs.end("m-1")
    record = site.take()
    assert (record.kind, record.endpoint, record.error) == ("job", "shop.mail", None)
    assert (record.request_id, record.trace_id) == ("r-1", request.trace_id)
    assert record.duration_ms is not None
    variables = dict(record.vars)
    assert variables.pop("span.render.ms") >= 0  # type: ignore[operator]
    assert variables.pop("span_id") == record.id[16:]
    assert variables == {
        "mail": 7,
        "token": "[REDACTED]",
        "size": 9,
        "messaging.system": "queue",
        "messaging.destination.name": "mails",
        "messaging.message.id": "m-1",
        "job.retries": 2,
        "job.state": "success",
        "parent_id": request.vars["span_id"],
    }


def test_a_job_that_fails(make_site: Callable[..., Site]) -> None:
    """Its error is explained, its log lines are kept, and it passes its sender on."""
    site = make_site(CHEST_ERRORS="message", CHEST_LOGS="warning")
    runs = JobRuns(site.app, "queue")
    with pytest.raises(KeyError), runs.running("m-1", "fails", headers={REQUEST_ID: "r-1"}):
        logging.getLogger("tests.job").warning("soon")
        onward = runs.headers()
        raise KeyError("password=x")
    record = site.take()
    assert (record.error, record.vars["job.state"]) == ("KeyError", "failure")
    assert record.vars["exception.message"] == "'password=[REDACTED]"
    assert len(record.vars["log.lines"]) == 1  # type: ignore[arg-type]
    assert onward[REQUEST_ID] == "r-1"
    assert onward["traceparent"] == f"00-{record.id}-{record.id[16:]}-01"
    assert record.trace_id == record.id


def test_a_job_within_a_request(site: Site) -> None:
    """Eager tasks run within their request: each has its own record, and the request its g."""
    runs = JobRuns(site.app, "queue")

    @site.app.get("/")
    def view() -> str:
        g.mine = "request"
        with runs.running("m-1", "eager", headers=runs.headers()), site.app.app_context():
            g.mine = "job"
        return "ok"

    site.client.get("/")
    job, request = site.records
    assert (job.kind, job.vars["mine"], request.vars["mine"]) == ("job", "job", "request")
    assert job.trace_id == request.trace_id == request.id
    assert job.request_id == request.request_id


def test_hostile_messages(site: Site) -> None:
    """A message may come from anyone who can write to the broker."""
    runs = JobRuns(site.app, "queue")
    hostile: dict[str, Any] = {
        REQUEST_ID: "x" * 1000,
        "traceparent": ["x"],
        "tracestate": "a\r\nb" * 1000,
    }
    with runs.running("k", "n\0" * 1000, headers=hostile, queue="q" * 100_000):
        pass
    record = site.take()
    assert (record.request_id, record.trace_id) == ("x" * 255, None)
    with runs.running("k", "name", headers={REQUEST_ID: 7}):
        pass
    record = site.take()
    assert record.request_id == record.id


def test_rules_hold_for_jobs(make_site: Callable[..., Site]) -> None:
    """The job's name is its endpoint."""
    site = make_site(
        CHEST_RULES=[
            {"endpoint": "secret.*", "record": False},
            {"endpoint": "shop.*", "track": ["a"]},
        ],
        CHEST_TRACKED_VARS=[],
    )
    runs = JobRuns(site.app, "queue")
    for name in ("secret.job", "shop.job"):
        with runs.running("k", name), site.app.app_context():
            g.a, g.b = 1, 2
    record = site.take()
    assert record.endpoint == "shop.job"
    assert ("a" in record.vars, "b" in record.vars) == (True, False)


def test_ends_without_a_beginning(site: Site) -> None:
    """Unknown jobs, repeated ends, and ends in another context do nothing."""
    runs = JobRuns(site.app, "queue")
    runs.end("never")
    runs.note("never", KeyError())
    runs.fail("never", KeyError())
    Context().run(runs.begin, "elsewhere", "name")
    runs.end("elsewhere")
    runs.end("elsewhere")
    assert [record.endpoint for record in site.records] == ["name"]
    with site.app.app_context():
        g.after = 1
    assert [record.vars.get("after") for record in site.records] == [None, 1]


def test_a_job_that_was_killed(site: Site) -> None:
    """Another process writes its record, without a duration."""
    runs = JobRuns(site.app, "queue")
    runs.record_lost("m-1", "shop.mail", KeyError("killed"), headers={REQUEST_ID: "r-1"})
    record = site.take()
    assert (record.error, record.duration_ms, record.request_id) == ("KeyError", None, "r-1")


def test_jobs_that_never_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not fill the memory."""
    monkeypatch.setattr("flask_chest.jobs.job_runs._MAX_RUNNING", 3)
    runs = JobRuns(site.app, "queue")
    for number in range(10):
        Context().run(runs.begin, str(number), "name")
    assert sum(runs.is_running(str(number)) for number in range(10)) <= 3


def test_without_a_chest() -> None:
    """An app without ``FlaskChest`` records nothing."""
    runs = JobRuns(Flask("bare"), "queue")
    with runs.running("m-1", "name"):
        assert runs.headers() == {}
    runs.record_lost("m-1", "name", KeyError())
    assert runs.is_recording is False
