"""The shop, served by gunicorn and visited over HTTP."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from examples.shop.billing import BROKEN
from examples.shop.server import serve
from examples.shop.traffic import Answer, Tally, drive
from tests import ROOT

pytestmark = pytest.mark.server


class Visited(NamedTuple):
    """The responses and the database of a shop after its visit."""

    answers: list[Answer]
    database: Path

    def ask(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(sql).fetchall()

    def select(self, method: str, path: str) -> list[Answer]:
        return [a for a in self.answers if (a.ask.method, a.ask.path) == (method, path)]


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Visited:
    instance = tmp_path_factory.mktemp("instance")
    with serve(instance, workers=2) as url:
        answers = list(drive(url, count=400, sessions=4, seed=7))
    return Visited(answers, instance / "chest.db")


def test_the_command_shows_its_records(tmp_path: Path) -> None:
    """``python -m examples.shop`` succeeds, and its tables add up."""
    command = [sys.executable, "-m", "examples.shop", "--requests=150", f"--instance={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answered 150 requests, recorded 150" in done.stdout
    counts = re.findall(r"^(?:/\S*|\(no route\)) +[A-Z]+ +(\d+) ", done.stdout, re.MULTILINE)
    assert sum(map(int, counts)) == 150
    assert re.search(r"^tenant +150 +3 ", done.stdout, re.MULTILINE)
    assert "\x1b" not in done.stdout, "no colours without a terminal"


def test_every_response_has_one_row(visited: Visited) -> None:
    """The counts by status are the same for rows and responses."""
    tally = Tally()
    for answer in visited.answers:
        tally.add(answer)
    assert tally.unanswered == 0
    sql = "select status, count(*) from chest_records group by status"
    assert dict(visited.ask(sql)) == tally.statuses


def test_totals_add_up(visited: Visited) -> None:
    """The recorded totals of accepted payments add up to the totals in the responses."""
    paid = [a.json["total"] for a in visited.select("POST", "/checkout") if a.status == 201]
    ((count, total),) = visited.ask(
        "select count(*), sum(json_extract(vars, '$.total')) from chest_records"
        " where route = '/checkout' and status = 201"
    )
    assert paid
    assert (count, total) == (len(paid), pytest.approx(sum(paid)))


def test_variables_of_views(visited: Visited) -> None:
    """Each search has its term and each response its tenant, whatever the status."""
    names = dict(visited.ask("select name, count(*) from chest_vars group by name"))
    assert names["tenant"] == len(visited.answers)
    assert names["search_term"] == len(visited.select("GET", "/search"))
    assert names["login"] == len(visited.select("POST", "/login"))
    terms = visited.ask("select value from chest_vars where name = 'search_term' order by value")
    asked = sorted(answer.ask.params["q"] for answer in visited.select("GET", "/search"))
    assert [term for (term,) in terms] == asked


def test_a_broken_page_is_recorded_with_its_error(visited: Visited) -> None:
    """The product without a weight divides by zero, and some payments fail."""
    broken = [answer for answer in visited.answers if answer.status == 500]
    errors = visited.ask("select error from chest_records where status = 500")
    assert len(errors) == len(broken)
    assert set(errors) == {("ZeroDivisionError",), ("examples.shop.billing.GatewayError",)}


def test_a_failed_payment_is_explained(visited: Visited) -> None:
    """Traceback and the log line before it, without the number of the card."""
    [(found,), *_] = visited.ask(
        "select vars from chest_records where error like '%GatewayError' limit 1"
    )
    variables = json.loads(found)
    assert 'File "shop/billing.py"' in variables["exception.stacktrace"]
    assert variables["exception.message"] == "processing_error for card=[REDACTED]"
    assert "the gateway answers 503" in variables["log.lines"][0]
    for (each,) in visited.ask("select vars from chest_records"):
        assert BROKEN not in each


def test_a_slow_report_is_explained(visited: Visited) -> None:
    """The report's record has its slowest statement, and the one that it repeats."""
    [(found,), *_] = visited.ask(
        "select vars from chest_records where route = '/admin/sales' and status = 200 limit 1"
    )
    variables = json.loads(found)
    assert variables["db.query.text"].startswith("with recursive sale(number)")
    assert variables["db.count"] == 17
    assert (variables["db.repeated.count"], variables["template.count"]) == (16, 1)


def test_card_numbers_are_redacted(visited: Visited) -> None:
    """Card numbers are redacted by name; other values of the payment are kept."""
    payments = visited.ask("select value from chest_vars where name = 'payment'")
    assert payments
    for (payment,) in payments:
        assert json.loads(payment)["card_number"] == "[REDACTED]"
        assert json.loads(payment)["method"] == "card"


def test_downloads(visited: Visited) -> None:
    """The generator's row count is recorded, and whether the client disconnected."""
    rows = visited.ask(
        "select json_extract(vars, '$.rows'), bytes_sent, disconnected from chest_records"
        " where route = '/admin/orders.csv' and status = 200"
    )
    downloads = visited.select("GET", "/admin/orders.csv")
    assert len(rows) == len(downloads) > 0
    stayed = [answer for answer in downloads if answer.ask.leave_after is None]
    whole = [row for row in rows if not row[2]]
    assert len(whole) >= len(stayed)
    assert all(count == 365 * 40 and sent > 200_000 for count, sent, _ in whole)


def test_a_command_is_recorded(tmp_path: Path) -> None:
    """``flask import-products`` leaves a record with the variables it put on ``g``."""
    products = tmp_path / "new.csv"
    products.write_text("sku,name,price,kilos,stock\nN1,oak box,12.5,2,3\nN2,ash box,?,1,1\n")
    app = f'examples.shop:create_app("{tmp_path}")'
    command = [sys.executable, "-m", "flask", "--app", app, "import-products", str(products)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout == "1 products imported, 1 skipped\n", done.stderr
    visited = Visited([], tmp_path / "chest.db")
    ((kind, endpoint, variables),) = visited.ask("select kind, endpoint, vars from chest_records")
    assert (kind, endpoint) == ("command", "import-products")
    expected = {"source": str(products), "imported": 1, "skipped": 1, "process.exit.code": 0}
    assert json.loads(variables) == expected
