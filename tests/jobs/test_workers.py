"""Real workers: Celery's with processes, and RQ's, both with a Redis server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from flask_chest import Record
from flask_chest.app.state import get_state
from tests import ROOT

from ..servers.redis import Redis
from ..waiting import wait_until

pytestmark = pytest.mark.server

PROGRAM = """
import os, signal
from celery import Celery
from flask import Flask, g
from redis import Redis
from rq import Queue

from flask_chest import FlaskChest
from flask_chest.jobs import celery as for_celery, rq as for_rq

app = Flask("shop", instance_path={folder!r})
app.config.update(CHEST_EXPORT_INTERVAL=0.1, CHEST_ERRORS="message")
FlaskChest(app)
celery = Celery("shop", broker={url!r}, backend={url!r})
celery.conf.update(task_default_queue="mails", worker_hijack_root_logger=False)
for_celery.record_jobs(celery, app)
RecordedJob = for_rq.record_jobs(app)
queue = Queue("pictures", connection=Redis.from_url({url!r}), job_class=RecordedJob)


def work(number):
    with app.app_context():
        g.number = number
    if number == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    if number % 2:
        raise ValueError("password=hunter2")


task = celery.task(work, name="shop.work", acks_late=False)


@app.get("/<library>/<int:number>")
def view(library, number):
    if library == "celery":
        task.delay(number)
    else:
        queue.enqueue({name!r} + ".work", number)
    return "ok"
"""


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


@contextmanager
def shop(folder: Path, url: str, name: str) -> Iterator[Any]:
    """Yield the program, imported; workers import it by its name from its folder."""
    path = folder / f"{name}.py"
    path.write_text(PROGRAM.format(folder=str(folder / "instance"), url=url, name=name))
    spec = util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    program = util.module_from_spec(spec)
    sys.modules[name] = program
    spec.loader.exec_module(program)
    yield program
    program.app.extensions["chest"].close()
    program.queue.connection.close()
    del sys.modules[name]


@contextmanager
def worker(folder: Path, *command: str) -> Iterator[Path]:
    """Run a worker, and yield its log."""
    log = folder / "worker.log"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}", "PYTHONWARNINGS": ""}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(120)


def jobs_of(program: Any, count: int, log: Path) -> dict[Any, Record]:
    """Wait until a number of jobs are in the store; return them by their variable ``number``."""
    reader = get_state(program.app).chests[0].reader()
    assert reader is not None

    def found() -> list[Record]:
        return [record for record in reader.latest(100) if record.kind == "job"]

    wait_until(lambda: len(found()) >= count, lambda: f"{found()}\n{log.read_text()}")
    jobs = found()
    reader.close()
    return {job.vars.get("number"): job for job in jobs}


def send(program: Any, library: str, *numbers: int) -> None:
    client = program.app.test_client()
    for number in numbers:
        headers = {"X-Request-ID": f"{library}-{number}"}
        assert client.get(f"/{library}/{number}", headers=headers).status_code == 200


def check(jobs: dict[Any, Record], library: str, name: str, queue: str) -> None:
    """Check the records of a job that succeeded and of one that failed."""
    for number, error in ((2, None), (3, "ValueError")):
        job = jobs[number]
        assert (job.endpoint, job.error, job.request_id) == (name, error, f"{library}-{number}")
        assert job.trace_id is not None
        assert job.duration_ms is not None
        assert job.vars["messaging.destination.name"] == queue
        assert job.vars["messaging.system"] == library
    assert jobs[3].vars["exception.message"] == "password=[REDACTED]"


def test_celery(redis: Redis, tmp_path: Path) -> None:
    """A worker with processes: success, failure, and a task whose process is killed."""
    with shop(tmp_path, redis.url, "celery_shop") as program:
        options = ["worker", "--pool=prefork", "--concurrency=1", "--loglevel=INFO"]
        with worker(tmp_path, "celery", "-A", "celery_shop:celery", *options) as log:
            send(program, "celery", 2, 3, 9)
            jobs = jobs_of(program, 3, log)
    check(jobs, "celery", "shop.work", "mails")
    # The worker's main process writes this one. It knows neither g nor the sender.
    killed = jobs[None]
    assert killed.error is not None
    assert killed.error.endswith("WorkerLostError")
    assert (killed.endpoint, killed.duration_ms) == ("shop.work", None)


def test_rq(redis: Redis, tmp_path: Path) -> None:
    """A worker that forks for each job, and one whose process is killed."""
    with shop(tmp_path, redis.url, "rq_shop") as program:
        (tmp_path / "run_rq.py").write_text(
            "from rq import Worker\nimport rq_shop\n"
            "Worker([rq_shop.queue], connection=rq_shop.queue.connection,\n"
            "       job_class=rq_shop.RecordedJob,\n"
            "       work_horse_killed_handler=rq_shop.RecordedJob.on_killed).work()\n"
        )
        with worker(tmp_path, "run_rq") as log:
            send(program, "rq", 2, 3, 9)
            jobs = jobs_of(program, 3, log)
    check(jobs, "rq", "rq_shop.work", "pictures")
    killed = jobs[None]
    assert killed.error == "flask_chest.jobs.rq.WorkHorseKilledError"
    assert killed.request_id == "rq-9"
