"""Celery, Dramatiq, Huey and APScheduler in one process, with their own test brokers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.schedulers.background import BackgroundScheduler
from celery import Celery
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Retries
from flask import Flask, g
from huey import MemoryHuey

from flask_chest import FlaskChest, Record
from flask_chest.jobs import apscheduler as for_apscheduler
from flask_chest.jobs import celery as for_celery
from flask_chest.jobs import dramatiq as for_dramatiq
from flask_chest.jobs import huey as for_huey
from flask_chest.testing import capture_records

from ..apps import Site

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HEADERS = {"X-Request-ID": "r-1", "traceparent": PARENT}


def jobs_of(site: Site) -> list[Record]:
    return [record for record in site.records if record.kind == "job"]


def put_and_fail(app: Flask, number: int) -> None:
    """The body of each job: a value on g, then an error for odd numbers."""
    with app.app_context():
        g.number = number
    if number % 2:
        raise ValueError("odd")


def test_celery_eager(site: Site) -> None:
    """A task, a failing one and a retried one leave a record each, joined to their request."""
    celery = Celery("shop", broker="memory://", backend="cache+memory://")
    celery.conf.update(task_always_eager=True, task_store_eager_result=False)
    for_celery.record_jobs(celery, site.app)
    other = Celery("other", broker="memory://")

    @celery.task(name="shop.work")  # type: ignore[untyped-decorator]
    def work(number: int) -> None:
        put_and_fail(site.app, number)

    @celery.task(name="shop.again", bind=True, max_retries=1)  # type: ignore[untyped-decorator]
    def again(self: Any) -> None:
        raise self.retry(exc=OSError("busy"), countdown=0)

    @other.task(name="other.work")  # type: ignore[untyped-decorator]
    def other_work() -> None:
        pass

    @site.app.get("/")
    def view() -> str:
        work.delay(2)
        work.delay(3)
        again.delay()
        other_work.apply()
        return "ok"

    assert site.client.get("/", headers=HEADERS).status_code == 200
    jobs = jobs_of(site)
    assert {(job.request_id, job.trace_id) for job in jobs} == {("r-1", PARENT[3:35])}
    found = [(job.endpoint, job.error, job.vars["job.state"]) for job in jobs]
    assert found[:2] == [
        ("shop.work", None, "success"),
        ("shop.work", "ValueError", "failure"),
    ]
    assert [job.vars["number"] for job in jobs[:2]] == [2, 3]
    # Eager retries run within the first try.
    assert {(name, state) for name, _, state in found[2:]} == {
        ("shop.again", "retry"),
        ("shop.again", "failure"),
    }
    [retried] = [job for job in jobs if job.vars["job.state"] == "retry"]
    assert (retried.error, retried.vars["exception.type"]) == (None, "OSError")


def test_celery_with_a_broker_that_is_down(site: Site) -> None:
    """The broker's error reaches the view as it would without a chest."""
    celery = Celery("shop", broker="redis://127.0.0.1:1/0")
    celery.conf.update(broker_transport_options={"max_retries": 0}, task_publish_retry=False)
    for_celery.record_jobs(celery, site.app)

    @celery.task(name="shop.down")  # type: ignore[untyped-decorator]
    def work() -> None:
        pass

    site.app.add_url_rule("/", "view", lambda: str(work.delay()))
    assert site.client.get("/").status_code == 500
    [record] = site.records
    assert str(record.error).startswith("kombu.exceptions.")


@pytest.fixture
def broker() -> Iterator[StubBroker]:
    made = StubBroker(middleware=[Retries(max_retries=0)])
    made.emit_after("process_boot")
    yield made
    made.flush_all()
    made.close()


def test_dramatiq(site: Site, broker: StubBroker) -> None:
    """A worker in threads; the record has actor, queue and error."""
    for_dramatiq.record_jobs(broker, site.app)

    @dramatiq.actor(broker=broker, queue_name="mails")
    def work(number: int) -> None:
        put_and_fail(site.app, number)

    @site.app.get("/")
    def view() -> str:
        work.send(2)
        work.send(3)
        return "ok"

    site.client.get("/", headers=HEADERS)
    worker = dramatiq.Worker(broker, worker_timeout=10, worker_threads=2)
    worker.start()
    broker.join("mails", fail_fast=False)
    worker.join()
    worker.stop()
    jobs = sorted(jobs_of(site), key=lambda job: str(job.vars["number"]))
    assert [(job.endpoint, job.error) for job in jobs] == [("work", None), ("work", "ValueError")]
    assert {job.vars["messaging.destination.name"] for job in jobs} == {"mails"}
    assert {(job.request_id, job.trace_id) for job in jobs} == {("r-1", PARENT[3:35])}


def test_huey(site: Site) -> None:
    """A task that succeeds, one that fails, one that is retried, and one that is revoked."""
    huey = MemoryHuey("mails", immediate=False)
    for_huey.record_jobs(huey, site.app)

    @huey.task(name="work")  # type: ignore[untyped-decorator]
    def work(number: int) -> None:
        put_and_fail(site.app, number)

    @huey.task(name="again", retries=1)  # type: ignore[untyped-decorator]
    def again() -> None:
        put_and_fail(site.app, 5)

    @site.app.get("/")
    def view() -> str:
        work(2)
        work(3)
        again()
        work(4).revoke()
        return "ok"

    site.client.get("/", headers=HEADERS)
    while (task := huey.dequeue()) is not None:
        huey.execute(task)
    jobs = jobs_of(site)
    assert [(job.vars["number"], job.error, job.vars["job.state"]) for job in jobs] == [
        (2, None, "success"),
        (3, "ValueError", "failure"),
        (5, None, "retry"),
        (5, "ValueError", "failure"),
    ]
    assert [job.request_id == "r-1" for job in jobs] == [True, True, True, True]
    assert [name for name in huey.all_results() if "flask_chest" in str(name)] == []


def test_apscheduler(site: Site) -> None:
    """Jobs in the scheduler's threads, which have names and may fail."""
    scheduler = BackgroundScheduler(timezone="UTC")
    for_apscheduler.record_jobs(scheduler, site.app, max_workers=1)
    done = threading.Semaphore(0)

    def work(number: int) -> None:
        try:
            put_and_fail(site.app, number)
        finally:
            done.release()

    for number in (2, 3):
        scheduler.add_job(work, "date", [number], id=f"job-{number}", name=f"work {number}")
    scheduler.start()
    for _ in range(2):
        assert done.acquire(timeout=60)
    scheduler.shutdown(wait=True)
    jobs = sorted(jobs_of(site), key=lambda job: str(job.endpoint))
    assert [(job.endpoint, job.vars["number"], job.error) for job in jobs] == [
        ("work 2", 2, None),
        ("work 3", 3, "ValueError"),
    ]
    assert all(job.duration_ms is not None for job in jobs)


def test_a_scheduler_that_the_app_lends(tmp_path: Path) -> None:
    """Delivery is a job of it, too, but has its own executor and leaves no records."""
    scheduler = BackgroundScheduler(timezone="UTC")
    app = Flask("lends", instance_path=str(tmp_path))
    app.config.update(CHEST_CHESTS=["memory://"], CHEST_EXPORT_INTERVAL=0.05)
    chest = FlaskChest(app, scheduler=scheduler)
    for_apscheduler.record_jobs(scheduler, app)
    executed = threading.Semaphore(0)
    scheduler.add_listener(lambda _: executed.release(), EVENT_JOB_EXECUTED)
    scheduler.start()
    with capture_records(app) as records:
        with app.app_context():
            g.first = 1
        for _ in range(2):
            assert executed.acquire(timeout=60)
    chest.close()
    scheduler.shutdown(wait=True)
    assert [dict(record.vars) for record in records] == [{"first": 1}]


def test_apscheduler_that_has_an_executor(site: Site) -> None:
    """Its error says which name is taken."""
    scheduler = BackgroundScheduler(executors={"default": {"type": "threadpool"}})
    with pytest.raises(ValueError, match="default"):
        for_apscheduler.record_jobs(scheduler, site.app)


def test_commands(make_site: Callable[..., Site]) -> None:
    """A command's record has duration and exit code."""
    site = make_site()

    @site.app.cli.command("work")
    def work() -> None:
        g.rows = 7

    @site.app.cli.command("fails")
    def fails() -> None:
        g.rows = 8
        raise SystemExit(3)

    runner = site.app.test_cli_runner()
    runner.invoke(args=["work"])
    record = site.take()
    assert (record.endpoint, dict(record.vars)) == ("work", {"rows": 7, "process.exit.code": 0})
    runner.invoke(args=["fails"])
    assert site.take().vars["process.exit.code"] == 3
