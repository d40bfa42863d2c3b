"""No secret of SQL parameters, URLs, headers, messages or log lines is in a record."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import StaticPool

from flask_chest.record.json_line import encode

from ..apps import Site

MARK = "hunter2Xk9"
AROUND = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
SECRETS = st.builds(lambda before, after: before + MARK + after, AROUND, AROUND)
logger = logging.getLogger("tests.secrets")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Site]:
    """An app that explains everything, and whose view spills a secret in every way."""
    folder: Path = tmp_path_factory.mktemp("secrets")
    made = Site(
        folder, CHEST_ERRORS="traceback", CHEST_LOGS="warning", CHEST_MEASURE=["sqlalchemy"]
    )

    @made.app.post("/")
    def view() -> str:
        secret = str(held[0])
        logger.warning("request %s", {"Authorization": f"Bearer {secret}", "a": [1]})
        with engine.connect() as connection:
            connection.execute(text("select :password"), {"password": secret})
            try:
                connection.execute(text("select * from missing where pin = :pin"), {"pin": secret})
            except Exception as error:
                url = f"https://bob:{quote(secret, safe='')}@api.example/?token={quote(secret)}"
                values = {"password": secret}
                raise RuntimeError(f"{url} failed: {values}") from error
        return "never"

    with made.recording():
        yield made


held: list[str] = []


@settings(max_examples=20)
@given(secret=SECRETS)
def test_everything_at_once(site: Site, secret: str) -> None:
    """A failed request with log lines, statements, a cause and a URL keeps the secret."""
    held[:] = [secret]
    assert site.client.post("/").status_code == 500
    record: Any = site.take()
    assert MARK.encode() not in encode(record)
    assert "no such table: missing" in record.vars["exception.stacktrace"]
    assert record.vars["db.query.text"].startswith("select ")
    assert record.vars["log.lines"][0].count("[REDACTED]") == 1
