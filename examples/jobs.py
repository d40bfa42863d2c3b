"""Records outside of requests: a command, and a job of the app's scheduler.

``python -m examples.jobs`` runs the job twice; ``flask --app examples.jobs clean-up --days 30``
runs the command. Each leaves one record with the values that it put on ``g``.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import click
from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask, g
from flask.cli import with_appcontext

from flask_chest import FlaskChest
from flask_chest.testing import capture_records


def create_app(**config: Any) -> Flask:
    """Create the app. Flask-Chest runs delivery on the app's scheduler.

    Each process that serves the app has to start the scheduler.
    """
    app = Flask(__name__)
    app.config.from_mapping(CHEST_TAGS={"service": "jobs"})
    app.config.from_mapping(config)
    scheduler = app.extensions["scheduler"] = BackgroundScheduler(timezone="UTC")
    FlaskChest(app, scheduler=scheduler)
    app.cli.add_command(clean_up)
    return app


@click.command("clean-up")
@click.option("--days", default=90, show_default=True, help="Keep younger drafts.")
@with_appcontext
def clean_up(days: int) -> None:
    """Delete old drafts."""
    g.older_than = timedelta(days=days).total_seconds()
    g.deleted = 7
    click.echo(f"{g.deleted} drafts deleted")


def refresh(app: Flask, done: threading.Semaphore) -> None:
    """Fetch exchange rates. The separate app context makes this a separate record."""
    with app.app_context():
        g.source = "central bank"
        g.rates = {"EUR": 1.0, "SEK": 11.2}
    done.release()


def main() -> None:
    # In memory, so that the example leaves no files.
    app = create_app(CHEST_CHESTS=["memory://"], CHEST_BUFFER="memory")
    done = threading.Semaphore(0)
    scheduler = app.extensions["scheduler"]
    scheduler.add_job(refresh, "interval", [app, done], seconds=0.2)
    with capture_records(app) as records:
        scheduler.start()
        for _ in range(2):
            done.acquire()
    app.extensions["chest"].close()
    scheduler.shutdown()
    for record in records:
        print(record.kind, dict(record.vars))


if __name__ == "__main__":
    main()
