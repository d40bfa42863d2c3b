"""Sends the visits to a served app, and compares the answers of several runs."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import requests

from .catalogue import RealApp, Visit

DRIVER = Path(__file__).parent / "driver.py"
#: What Flask-Chest adds to an answer.
OWN_HEADERS = {"x-request-id"}
_HOST = "app.example"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one visit."""

    status: int
    headers: dict[str, str]
    body: bytes


def run(app: RealApp, python: Path, folder: Path, *, with_chest: bool) -> list[Answer]:
    """Serve an app, send all visits to it, and return the answers.

    :param python: the Python of the app's environment.
    :param folder: an empty folder for everything that the app stores.
    """
    command = [str(python), str(DRIVER), app.module, str(folder), *(["chest"] * with_chest)]
    log = folder / "driver.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            address = f"http://127.0.0.1:{_read_port(process, log)}"
            with requests.Session() as session:
                answers = [_send(session, address, visit) for visit in app.visits]
            process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 0, log.read_text(errors="replace")
    return answers


def _read_port(process: subprocess.Popen[str], log: Path) -> int:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("port "):
            return int(line.split()[1])
    raise AssertionError(log.read_text(errors="replace"))


def _send(session: requests.Session, address: str, visit: Visit) -> Answer:
    # The port differs from run to run, and some apps answer with their URL.
    headers = {"Host": _HOST, **visit.headers}
    answer = session.request(
        visit.method,
        address + visit.path,
        data=visit.body,
        headers=headers,
        allow_redirects=False,
        timeout=60,
    )
    lower = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status_code, lower, answer.content)


def differences(
    visits: Sequence[Visit], bare: tuple[list[Answer], list[Answer]], chest: list[Answer]
) -> Iterator[str]:
    """Find answers that differ with a chest.

    :param bare: two runs without a chest. What differs between them is not deterministic.
    :param chest: the run with a chest.
    """
    for visit, first, second, recorded in zip(visits, *bare, chest, strict=True):
        name = f"{visit.method} {visit.path}"
        if recorded.status != first.status:
            yield f"{name}: status {first.status} became {recorded.status}"
        added = recorded.headers.keys() - first.headers.keys() - OWN_HEADERS
        missing = first.headers.keys() - recorded.headers.keys()
        if added or missing:
            yield f"{name}: headers added {sorted(added)}, missing {sorted(missing)}"
        for header in first.headers.keys() & second.headers.keys() & recorded.headers.keys():
            before, after = first.headers[header], recorded.headers[header]
            if before == second.headers[header] != after and header not in {"date", *OWN_HEADERS}:
                yield f"{name}: {header} {before!r} became {after!r}"
        if first.body == second.body != recorded.body:
            yield f"{name}: the body changed: {first.body[:60]!r}, {recorded.body[:60]!r}"


def deterministic(bare: tuple[list[Answer], list[Answer]]) -> int:
    """Count the answers whose body is the same in both runs without a chest."""
    return sum(first.body == second.body for first, second in zip(*bare, strict=True))


def stored_statuses(folder: Path) -> list[int]:
    """Return the statuses of all stored records, in their order."""
    with closing(sqlite3.connect(folder / "chest.db")) as connection:
        return [
            row[0] for row in connection.execute("SELECT status FROM chest_records ORDER BY id")
        ]
