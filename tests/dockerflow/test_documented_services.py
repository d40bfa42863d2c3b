"""Every example of python-dockerflow's page on Flask that checks a service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .test_documented_examples import run


def hang_up(made: dict[str, Any]) -> None:
    """Close the connections of an example's database."""
    with made["app"].app_context():
        made["db"].engine.dispose()


def test_database_check() -> None:
    """``db=`` with Flask-SQLAlchemy."""
    pytest.importorskip("flask_sqlalchemy")
    made = run("""
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_chest.dockerflow import Dockerflow

app = Flask(__name__)
app.config['SQLALCHEMY_DATABASE_URI'] = 'sqlite://'
db = SQLAlchemy(app)

dockerflow = Dockerflow(app, db=db)
""")
    answer = made["app"].test_client().get("/__heartbeat__").json
    hang_up(made)
    assert answer["checks"] == {"check_database_connected": "ok"}


def test_migrations_check(tmp_path: Path) -> None:
    """``migrate=`` with Flask-Migrate; a repository without revisions is up to date."""
    pytest.importorskip("flask_migrate")
    # A file: of a database in memory two checks at once may each make the one connection that its
    # pool keeps, and one of them is closed by nobody.
    made = run(
        """
from flask import Flask
from flask_migrate import Migrate, init
from flask_sqlalchemy import SQLAlchemy
from flask_chest.dockerflow import Dockerflow

app = Flask(__name__)
app.config['SQLALCHEMY_DATABASE_URI'] = database
db = SQLAlchemy(app)
migrate = Migrate(app, db, directory=folder)

dockerflow = Dockerflow(app, db=db, migrate=migrate)

with app.app_context():
    init()
""",
        folder=str(tmp_path / "migrations"),
        database=f"sqlite:///{tmp_path / 'app.db'}",
    )
    answer = made["app"].test_client().get("/__heartbeat__").json
    hang_up(made)
    assert answer["checks"] == {
        "check_database_connected": "ok",
        "check_migrations_applied": "ok",
    }


@pytest.mark.parametrize(
    "client",
    [
        """
import redis
redis_client = redis.StrictRedis(host='localhost', port=1, db=0)
""",
        """
from flask_redis import FlaskRedis
app.config['REDIS_URL'] = 'redis://:password@localhost:1/0'
redis_client = FlaskRedis(app)
""",
    ],
    ids=["redis-py", "Flask-Redis"],
)
def test_redis_check(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``redis=`` with redis-py and with Flask-Redis; here without a server, which is an error."""
    retry = pytest.importorskip("redis.retry")
    monkeypatch.setattr(retry, "sleep", lambda seconds: None)  # between its tries
    if "flask_redis" in client:
        pytest.importorskip("flask_redis")
    app = run(f"""
from flask import Flask
from flask_chest.dockerflow import Dockerflow

app = Flask(__name__)
{client}
dockerflow = Dockerflow(app, redis=redis_client)
""")["app"]
    app.config["DOCKERFLOW_CHECK_TIMEOUT"] = 60
    response = app.test_client().get("/__heartbeat__")
    assert response.status_code == 500
    assert list(response.json["details"]["check_redis_connected"]["messages"]) == [
        "dockerflow.health.E004"
    ]
