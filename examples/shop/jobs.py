"""What a checkout leaves to workers: a mail by Celery, and an invoice by RQ.

Without ``REDIS_URL`` in the configuration there are no workers, and nothing is queued. Neither
library is imported then.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, current_app, g

_logger = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Connect to the queues. The chest must exist: both libraries record jobs with it."""
    if "REDIS_URL" not in app.config:
        return
    app.extensions["mails"] = connect_celery(app)
    app.extensions["invoices"] = connect_rq(app)


def connect_celery(app: Flask) -> Any:
    from celery import Celery

    from flask_chest.jobs.celery import record_jobs

    celery = Celery("shop", broker=app.config["REDIS_URL"])
    celery.conf.update(task_default_queue="mails", task_ignore_result=True)
    record_jobs(celery, app)

    @celery.task(name="shop.send_confirmation")  # type: ignore[untyped-decorator]
    def send_confirmation(order_id: str) -> None:
        with app.app_context():
            g.mailed_order = order_id
            _logger.warning("there is no mail server, so order %s is not confirmed", order_id)

    return celery


def connect_rq(app: Flask) -> Any:
    from redis import Redis
    from rq import Queue

    from flask_chest.jobs.rq import record_jobs

    connection = Redis.from_url(app.config["REDIS_URL"])
    return Queue("invoices", connection=connection, job_class=record_jobs(app))


def queue_after_checkout(order_id: str) -> None:
    """Queue the mail and the invoice of an order."""
    if "mails" in current_app.extensions:
        current_app.extensions["mails"].send_task("shop.send_confirmation", [order_id])
        current_app.extensions["invoices"].enqueue("examples.shop.worker.write_invoice", order_id)
