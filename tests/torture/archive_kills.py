"""Kills a process at random moments while it archives, prunes and erases.

Usage: ``python -m tests.torture.archive_kills FOLDER KILLS``. It prints how many records were
written, archived and erased, and how many processes were killed. Children are forked, since a new
process would load its drivers for most of its life.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from datetime import timedelta
from pathlib import Path

from flask_chest import Record
from flask_chest.archive import archiver, storage, store_archive
from flask_chest.archive.engine import connect
from flask_chest.archive.store_archive import StoreArchive
from flask_chest.chests.base import AppInfo
from flask_chest.chests.sql.archive import source
from flask_chest.chests.sql.rollups import maintenance_lease
from flask_chest.chests.sql.sqlite.chest import FlaskChestSQLite
from flask_chest.errors import ReadError
from flask_chest.operations.erasure import Erasure
from flask_chest.query.filter_parsing import parse_filter
from flask_chest.query.query import Query

from ..archive.source_suite import HOUR, START, same, stored

DAY = timedelta(days=1)
WHOLE = Query(since=START - 9000 * DAY, until=START + 9000 * DAY)
UNTIL = HOUR + 30 * 86400
PERSONS = 7


def main(folder: Path, kills: int) -> None:
    """Run the rounds, and check after each."""
    # A lease of a killed process expires soon, and parts are small.
    vars(maintenance_lease)["LEASE_SECONDS"] = 1
    source._PAGE, archiver.MAX_PART = 50, 100
    storage._MAX_WRITING_SECONDS = -1  # drafts are of killed processes only
    store_archive.LEASE_TIMEOUT = 20.0
    connect(folder / "temporary").close()  # load DuckDB before the first fork
    chance = random.Random(kills)
    written: dict[str, Record] = {}
    erased: set[str] = set()
    killed = 0
    longest = 0.5
    for number in range(10 * kills):
        records = make_records(number, chance)
        written.update((record.id, record) for record in records)
        person = number % PERSONS
        child = os.fork()
        if not child:
            work(folder, records, person, first=number % 3)
        began = time.monotonic()
        # The first two show how long a child takes, and the second erases records of the first.
        if number > 1:
            time.sleep(chance.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        else:
            assert status == 0, status
            longest = max(longest, time.monotonic() - began)
        # The journal delivers again what a killed process may not have written.
        make_chest(folder).write(records)
        check(folder, written, erased, person)
        if killed >= kills:
            break
    finish(folder, written, erased)
    sys.stdout.write(f"{len(written)} written, {len(erased)} erased, {killed} killed\n")


def make_records(number: int, chance: random.Random) -> list[Record]:
    """Records of some hours of one day; some days get records again and again."""
    since = START + chance.randrange(6) * DAY
    return [
        Record(
            id=f"{number:016x}{index:016x}",
            time=since + timedelta(minutes=chance.randrange(300)),
            request_id="r",
            vars={"person": index % PERSONS, "text": "x" * chance.randrange(200), "n": index / 2},
        )
        for index in range(150)
    ]


def make_chest(folder: Path) -> FlaskChestSQLite:
    """The chest, as each process makes its own."""
    chest = FlaskChestSQLite()
    chest.bind(AppInfo(instance_path=folder, timeout=20))
    chest.archived_ids = StoreArchive(chest, str(folder / "archive")).archived_ids
    return chest


def work(folder: Path, records: list[Record], person: int, first: int) -> None:
    """What a child does until it is killed.

    :param first: which kind of work it begins with.
    """
    try:
        chest = make_chest(folder)
        chest.write(records)
        store = StoreArchive(chest, str(folder / "archive"))
        for kind in range(first, first + 3):
            if kind % 3 == 0:
                store.maintain(UNTIL, None, threading.Event())
            elif kind % 3 == 1:
                erase(chest, store, person)
            else:
                sum(chest.prune(START + 2 * DAY, threading.Event()))
        os._exit(0)
    except ReadError as error:
        # The lease of the process that was killed before has not expired yet.
        os._exit(0 if "another process" in str(error) else 1)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def erase(chest: FlaskChestSQLite, store: StoreArchive, person: int) -> None:
    """Erase a person as ``flask chest forget`` does."""
    query = Query(since=WHOLE.since, until=WHOLE.until, where=(parse_filter(f"person={person}"),))
    reader = chest.reader()
    for _ in Erasure(chest, reader, query).run():
        pass
    reader.close()
    for _ in store.erase(query):
        pass


def check(folder: Path, written: dict[str, Record], erased: set[str], person: int) -> None:
    """No record is missing, none is archived twice, each is as it was."""
    chest = make_chest(folder)
    archived = list(StoreArchive(chest, str(folder / "archive")).records(WHOLE))
    counts = Counter(record.id for record in archived)
    assert max(counts.values(), default=1) == 1
    found = {record.id: record for record in [*stored(chest), *archived]}
    # This person may be erased in part, and what was erased before may be written again.
    of_person = {each.id for each in written.values() if each.vars["person"] == person}
    erased |= of_person - found.keys()
    assert found.keys() | erased == written.keys(), "records are missing"
    assert same(list(found.values()), [written[each] for each in found])
    erased -= found.keys()


def finish(folder: Path, written: dict[str, Record], erased: set[str]) -> None:
    """After an undisturbed run everything is archived and erased."""
    chest = make_chest(folder)
    store = StoreArchive(chest, str(folder / "archive"))
    while not store.maintain(UNTIL, None, threading.Event()):
        time.sleep(0.1)
    for _ in chest.prune(START + 9 * DAY, threading.Event()):
        pass
    assert stored(chest) == []
    erase(chest, store, 0)
    archived = {record.id for record in store.records(WHOLE)}
    of_person = {each.id for each in written.values() if each.vars["person"] == 0}
    assert archived == written.keys() - erased - of_person
    archive_folder = next((folder / "archive").glob("sqlite-*"))
    assert list((archive_folder / "temporary").glob("*.new")) == []


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
