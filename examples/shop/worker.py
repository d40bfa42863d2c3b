"""The shop for workers, which need ``FLASK_REDIS_URL`` and may have ``SHOP_INSTANCE``.

``celery -A examples.shop.worker:celery worker`` sends mails, and
``rq worker --url $FLASK_REDIS_URL --job-class examples.shop.worker.RecordedJob invoices`` writes
invoices.
"""

from __future__ import annotations

import os

from flask import g

from . import create_app

app = create_app(os.environ.get("SHOP_INSTANCE"))
celery = app.extensions["mails"]
RecordedJob = app.extensions["invoices"].job_class


def write_invoice(order_id: str) -> str:
    """Write the invoice of an order; RQ calls this by its name."""
    with app.app_context():
        g.invoiced_order = order_id
    return f"Invoice of order {order_id}"
