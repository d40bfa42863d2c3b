"""Log lines that name their request, and log lines that are kept with it."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
import structlog
from flask import Response, g

from flask_chest.capture import kept_log_lines
from flask_chest.logs import RequestContextFilter, add_request_context

from .apps import Site

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = PARENT[3:35]


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger for these tests, which takes every level and passes nothing on."""
    made = logging.getLogger("tests.shop")
    made.setLevel(logging.DEBUG)
    made.propagate = False
    yield made
    made.handlers.clear()
    made.filters.clear()


@pytest.fixture(autouse=True)
def original_factory() -> Iterator[None]:
    """Begin and end with the standard library's factory of log records."""
    for step in range(2):
        logging.setLogRecordFactory(logging.LogRecord)
        kept_log_lines._installed.clear()
        if step == 0:
            yield


def handler_to(stream: io.StringIO, form: str, **options: Any) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(form, defaults={"user_id": "nobody"}))
    handler.addFilter(RequestContextFilter(**options))
    return handler


def test_each_line_names_its_request(site: Site, logger: logging.Logger) -> None:
    """A plain formatter prints ids and variables; outside of requests, it prints the default."""
    stream = io.StringIO()
    logger.addHandler(handler_to(stream, "%(request_id)s %(trace_id)s %(user_id)s %(message)s"))

    @site.app.get("/")
    def view() -> str:
        logger.info("before")
        g.user_id = 42
        logger.info("after")
        return "ok"

    site.client.get("/", headers={"X-Request-ID": "r-1", "traceparent": PARENT})
    logger.info("outside")
    assert stream.getvalue().splitlines() == [
        f"r-1 {TRACE} nobody before",
        f"r-1 {TRACE} 42 after",
        "- - nobody outside",
    ]


def test_variables_are_redacted_and_replace_nothing(site: Site, logger: logging.Logger) -> None:
    """A secret is not printed, and a variable called ``msg`` or ``extra`` field stays harmless."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    keep = Keep()
    keep.addFilter(RequestContextFilter(default=None))
    logger.addHandler(keep)

    @site.app.get("/")
    def view() -> str:
        g.password, g.msg, g.name, g.tenant = "hunter2", "mine", "mine", "north"
        logger.info("%s", "text", extra={"tenant": "from the call"})
        return "ok"

    site.client.get("/")
    [record] = records
    attributes = vars(record)
    assert (record.getMessage(), record.name) == ("text", "tests.shop")
    assert attributes["password"] == "[REDACTED]"
    assert attributes["tenant"] == "from the call"
    assert (attributes["request_id"], attributes["trace_id"]) == (site.only().request_id, None)


def test_a_stream_without_a_request_context(site: Site, logger: logging.Logger) -> None:
    """Flask's context is gone while a body is sent; the line still names the request."""
    stream = io.StringIO()
    logger.addHandler(handler_to(stream, "%(request_id)s %(message)s"))

    @site.app.get("/")
    def view() -> Response:
        def body() -> Iterator[str]:
            logger.info("streaming")
            yield "ok"

        return Response(body())

    site.client.get("/", headers={"X-Request-ID": "r-1"}).get_data()
    assert stream.getvalue() == "r-1 streaming\n"


def test_without_variables(site: Site, logger: logging.Logger) -> None:
    """The ids alone, for apps whose lines shall not have variables."""
    stream = io.StringIO()
    logger.addHandler(handler_to(stream, "%(request_id)s %(user_id)s", variables=False))

    @site.app.get("/")
    def view() -> str:
        g.user_id = 42
        logger.info("line")
        return "ok"

    site.client.get("/", headers={"X-Request-ID": "r-1"})
    assert stream.getvalue() == "r-1 nobody\n"


def test_structlog(site: Site) -> None:
    """The processor adds the same to an event, and keeps the keys that the event has."""
    events: list[dict[str, Any]] = []

    def collect(_: Any, __: str, event: Any) -> Any:
        events.append(dict(event))
        raise structlog.DropEvent

    log = structlog.wrap_logger(None, processors=[add_request_context, collect])

    @site.app.get("/")
    def view() -> str:
        g.user_id, g.token = 42, "abc"
        log.info("paid", user_id=7)
        return "ok"

    site.client.get("/", headers={"X-Request-ID": "r-1"})
    log.info("outside")
    assert events == [
        {"event": "paid", "user_id": 7, "token": "[REDACTED]", "request_id": "r-1"},
        {"event": "outside"},
    ]


def test_lines_are_kept_with_the_record(
    make_site: Callable[..., Site], logger: logging.Logger
) -> None:
    """Lines from the level on, redacted, also of a logger that does not propagate."""
    logger.handlers.clear()  # pytest's own handler refuses wrong arguments
    site = make_site(CHEST_LOGS="warning")
    site.app.add_url_rule("/quiet", "quiet", lambda: "ok")

    @site.app.get("/")
    def view() -> str:
        logger.info("too low")
        logger.warning("bank refused, %s", {"password": "hunter2", "order": 7})
        logger.error("wrong %d", "arguments")
        try:
            raise KeyError("x")
        except KeyError:
            logger.exception("failed")
        return "ok"

    site.client.get("/")
    lines: Any = site.take().vars["log.lines"]
    texts = [line.partition(" ms ")[2] for line in lines]
    assert texts == [
        "WARNING tests.shop: bank refused, {'password': [REDACTED], 'order': 7}",
        "ERROR tests.shop: 'wrong %d' (its arguments do not fit)",
        "ERROR tests.shop: failed [KeyError]",
    ]
    site.client.get("/quiet")
    assert "log.lines" not in site.take().vars


def test_many_and_long_lines_are_capped(
    make_site: Callable[..., Site], logger: logging.Logger
) -> None:
    """The last lines are kept, each at most 1 KiB, all at most one value's limit."""
    site = make_site(CHEST_LOGS="info", CHEST_MAX_VALUE_BYTES=4096)

    @site.app.get("/<size>")
    def view(size: str) -> str:
        for number in range(200):
            logger.info("%d %s", number, "ä" * int(size))
        return "ok"

    site.client.get("/5000")
    variables = site.take().vars
    lines: Any = variables["log.lines"]
    assert sum(len(line.encode()) for line in lines) <= 4096
    assert lines[-1].partition("shop: ")[2].startswith("199 ä")
    assert variables["log.dropped"] == 200 - len(lines)
    site.client.get("/1")
    variables = site.take().vars
    assert (len(variables["log.lines"]), variables["log.dropped"]) == (50, 150)  # type: ignore[arg-type]


def test_hostile_log_calls(make_site: Callable[..., Site], logger: logging.Logger) -> None:
    """Arguments whose ``str`` logs or raises, lone surrogates and NUL do not break a request."""
    logger.handlers.clear()  # pytest's own handler refuses wrong arguments
    site = make_site(CHEST_LOGS="info")

    class Logs:
        def __str__(self) -> str:
            logger.info("inner")
            return "outer"

    class Raises:
        def __str__(self) -> str:
            raise RuntimeError

        __repr__ = __str__

    @site.app.get("/")
    def view() -> str:
        logger.info("%s", Logs())
        logger.info("\ud800\0")
        logger.info("%s", Raises())
        return "ok"

    assert site.client.get("/").status_code == 200
    lines: Any = site.only().vars["log.lines"]
    assert [line.partition("shop: ")[2] for line in lines] == [
        "outer",
        "�␀",
        "'%s' (its arguments do not fit)",
    ]


def test_lines_of_a_stream_and_of_a_late_thread(
    make_site: Callable[..., Site], logger: logging.Logger
) -> None:
    """A stream's lines belong to it; a thread that outlives its request changes nothing."""
    site = make_site(CHEST_LOGS="info")
    contexts = []

    @site.app.get("/")
    def view() -> Response:
        contexts.append(copy_context())

        def body() -> Iterator[str]:
            logger.info("streaming")
            yield "ok"

        return Response(body())

    site.client.get("/").get_data()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(contexts[0].run, logger.info, "late").result()
    lines: Any = site.only().vars["log.lines"]
    assert [line.partition("shop: ")[2] for line in lines] == ["streaming"]


def test_the_factory_is_set_once(make_site: Callable[..., Site], logger: logging.Logger) -> None:
    """Also if another library has put its own factory around it, a line is kept once."""
    make_site(CHEST_LOGS="info")
    inner = logging.getLogRecordFactory()

    def outer(*args: Any, **kwargs: Any) -> logging.LogRecord:
        return inner(*args, **kwargs)

    logging.setLogRecordFactory(outer)
    site = make_site(CHEST_LOGS="info")
    assert logging.getLogRecordFactory() is outer

    @site.app.get("/")
    def view() -> str:
        logger.info("once")
        return "ok"

    site.client.get("/")
    assert len(site.only().vars["log.lines"]) == 1  # type: ignore[arg-type]


def test_nothing_is_set_without_the_key(site: Site) -> None:
    """By default the factory of log records stays the standard library's."""
    assert logging.getLogRecordFactory() is logging.LogRecord
