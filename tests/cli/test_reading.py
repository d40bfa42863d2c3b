"""``flask chest``: the commands that read what was recorded, and those that take it away."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from flask_chest import Record
from flask_chest.app.state import get_state
from flask_chest.chests.sql.reader import SQLReader
from flask_chest.cli import chest as chest_group
from flask_chest.delivery.dead_letters import DeadLetters
from flask_chest.delivery.journal.scope import JournalScope
from flask_chest.operations.retention import Maintenance
from flask_chest.query.ndjson import to_line
from flask_chest.record.encoding import encode
from tests import ROOT

from ..query.records import END, many
from .shop import deliver, make_shop, run

SINCE = ["--since", "2026-11-20", "--until", "2026-11-21"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 600 records."""
    folder = tmp_path_factory.mktemp("stored")
    [chest] = get_state(make_shop(folder)).chests
    chest.write(many())
    chest.close()
    return folder / "chest.db"


@pytest.fixture
def shop(tmp_path: Path, stored: Path) -> Flask:
    """An app whose chest holds 600 records."""
    shutil.copy(stored, tmp_path)
    return make_shop(tmp_path)


def lines_of(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_stats(shop: Flask) -> None:
    """One line for each route: counts by sample rate, errors, percentiles, and how it went."""
    result = run(shop, "stats", *SINCE)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["route", "count", "per"]
    assert lines[2].startswith("(none)  ")
    assert "300" in lines[2]
    assert "▁" in lines[2]
    assert [line.split("  ")[0] for line in lines[2:]] == ["(none)", "/", "/orders/<int:order_id>"]


def test_stats_tell_units(shop: Flask) -> None:
    """Durations are in milliseconds, and a rate is per as much time as makes it one or more."""
    header, _, first, *_ = run(shop, "stats", *SINCE).stdout.splitlines()
    assert "mean ms" in header
    [unit] = re.findall(r"per (s|min|h|day)", header)
    per = float(first[header.index("per ") :].split()[0])
    [found] = lines_of(run(shop, "stats", *SINCE, "--json"))
    seconds = {"s": 1, "min": 60, "h": 3600, "day": 86400}[unit]
    assert per >= 1 or unit == "day"
    assert per == pytest.approx(found["groups"][0]["per_second"] * seconds, rel=0.01)
    assert "mean ms" not in run(shop, "stats", "--of", "balance", *SINCE).stdout


def test_stats_of_a_name_that_nothing_has(shop: Flask) -> None:
    """A mistyped name is told, since what it looks like is a store with nothing in it."""
    assert run(shop, "stats", "--by", "tenent", *SINCE).stderr == (
        "none of these records has a vars.tenent\n"
    )
    assert run(shop, "stats", "--of", "tenent", *SINCE).stderr == (
        "none of these records has a number in vars.tenent\n"
    )
    assert run(shop, "stats", "--by", "user_id", "--of", "balance", *SINCE).stderr == ""


def test_stats_of_anything(shop: Flask) -> None:
    """Any variable can be grouped by, filtered by and measured."""
    options = ["--by", "user_id", "--of", "balance", "--where", "status>=500", "--limit", "3"]
    [found] = lines_of(run(shop, "stats", *options, *SINCE, "--json"))
    assert found["by"] == "vars.user_id"
    assert len(found["groups"]) == 3
    assert found["looked_at"] == 1
    assert all(group["errors"] == group["count"] for group in found["groups"])
    assert found["groups"][0]["sum"] < 0
    assert sum(found["groups"][0]["trend"]) == pytest.approx(found["groups"][0]["count"])
    assert "(others)" in run(shop, "stats", "--by", "user_id", "--limit", "3", *SINCE).stdout


def test_stats_that_are_estimated(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more records than can be looked at, it says that it looked at some."""
    monkeypatch.setattr(SQLReader, "max_records", 100)
    monkeypatch.setattr(SQLReader, "sample_size", 100)
    text = run(shop, "stats", "--by", "method", *SINCE).stderr
    assert re.fullmatch(r"estimated from \d+ records, spread evenly over the range\n", text)
    told, _ = run(shop, "stats", "--by", "unique", *SINCE).stderr.splitlines()
    assert told == "nearly every record has a different value; these are some of them"
    [found] = lines_of(run(shop, "stats", "--by", "method", *SINCE, "--json"))
    assert 0 < found["looked_at"] < 1


def test_stats_that_met_nothing(shop: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only some records were looked at, it does not say that there are none."""
    rare = ["stats", "--where", "unique=value 7", *SINCE]
    assert "no such records" not in run(shop, *rare).stdout
    monkeypatch.setattr(SQLReader, "max_records", 100)
    monkeypatch.setattr(SQLReader, "sample_size", 10)
    told = run(shop, *rare).stdout
    assert re.fullmatch(r"no such records in the [\d.]+% of the range that was .*\n", told)


def test_show_of_an_id_that_many_share(tmp_path: Path) -> None:
    """The oldest are shown, and that there are more is told."""
    app = make_shop(tmp_path)
    [chest] = get_state(app).chests
    chest.write([replace(each, request_id="retry") for each in many(51)])
    chest.close()
    result = run(app, "show", "retry", "--json")
    assert len(lines_of(result)) == 50
    assert "these are the oldest 50" in result.stderr
    assert run(app, "show", "--json", many(1)[0].id).stderr == ""


def test_stats_of_hostile_values(shop: Flask) -> None:
    """Whatever a value holds, the terminal shows it and obeys nothing."""
    text = run(shop, "stats", "--by", "mixed", *SINCE).stdout
    assert "\N{REPLACEMENT CHARACTER}<b>" in text
    assert "\u202e" not in text
    assert "…" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["stats", "--where", "nonsense"], "is no filter"),
        (["stats", "--since", "soon"], "is no time"),
        (["stats", "--since", "2026-11-21", "--until", "2026-11-20"], "the range is empty"),
        (["stats", "--by", "vars"], "name one of them"),
        (["stats", "--of", "route"], "route is text"),
        (["stats", "--chest", "nowhere"], "there is no chest 'nowhere'; there are: sqlite"),
        (["show", "nowhere"], "has no record of 'nowhere'"),
        (["forget"], "name the person"),
        (["forget", "--where", "user_id>3"], "name the person"),
        (["forget", "--where", "user_id="], "name the person"),
        (["prune"], "name the age"),
        (["prune", "--older-than", "long"], "30 days"),
        (["export", "--where", "status=x"], "expected a number"),
    ],
)
def test_nonsense(shop: Flask, arguments: list[str], told: str) -> None:
    """A command that cannot be understood says what it expects, and changes nothing."""
    result = run(shop, *arguments)
    assert result.exit_code in {1, 2}
    assert told in result.output.replace("\n", " ")


@pytest.mark.parametrize("command", ["stats", "export", "tail --no-follow"])
def test_an_empty_store(tmp_path: Path, command: str) -> None:
    """Before the first record there is nothing to tell, and no error."""
    result = run(make_shop(tmp_path), *command.split())
    assert result.exit_code == 0
    assert result.stdout in {"", "no such records\n"}


@pytest.mark.parametrize("command", ["stats", "export", "tail --no-follow", "show x"])
def test_a_store_that_cannot_be_read(tmp_path: Path, command: str) -> None:
    """It is named, with what happened; there is no traceback."""
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    result = run(make_shop(tmp_path), *command.split())
    assert result.exit_code == 1
    assert "Error: chest 'sqlite' at" in result.output


def test_show(shop: Flask) -> None:
    """One request, whole: every column, variable and tag, nothing of it raw."""
    record = many()[8]
    lines = run(shop, "show", "request-8").stdout.splitlines()
    values = {line.split("  ")[0].strip(): line.split("  ")[-1].strip() for line in lines}
    assert values["id"] == record.id
    assert values["vars.mixed"] == "\N{REPLACEMENT CHARACTER}<b>"
    assert values["tags.version"] == "1.0"
    both = run(shop, "show", f"{4:032x}").stdout
    assert [part.splitlines()[0].split() for part in both.split("\n\n")] == [
        ["id", each.id] for each in many()[9:7:-1]
    ]
    [found] = lines_of(run(shop, "show", record.id, "--json"))
    assert found["vars"] == record.vars
    assert len(lines_of(run(shop, "show", f"{4:032x}", "--json"))) == 2, "both of the trace"


def test_tail_filters(shop: Flask) -> None:
    """Only what was asked for, as text or as JSON."""
    found = lines_of(run(shop, "tail", "--no-follow", "--where", "user_id=3", "-n", "4", "--json"))
    assert [each["vars"]["user_id"] for each in found] == [3] * 4
    assert [each["id"] for each in found] == sorted(each["id"] for each in found)


@pytest.mark.parametrize("command", [["rules"], ["status"], ["explain", "GET", "/"]])
def test_json_of_the_other_commands(shop: Flask, command: list[str]) -> None:
    """They print one JSON value."""
    [found] = lines_of(run(shop, *command, "--json"))
    if command == ["rules"]:
        assert {"method", "route", "tracks", "chests", "sample", "by"} == found[0].keys()
    elif command == ["status"]:
        assert found["chests"]["sqlite"]["health"] == "ok"
        assert found["chests"]["sqlite"]["pending"] == 0
    else:
        assert found["endpoint"] == "home"


def test_export_and_import(shop: Flask, tmp_path: Path) -> None:
    """What is exported can be imported elsewhere, and twice is once."""
    file = tmp_path / "out.ndjson"
    assert run(shop, "export", "--output", str(file)).exit_code == 0
    there = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///other.db"])
    for _ in range(2):
        assert run(there, "import", str(file)).stdout == "600 imported\n"
    assert run(there, "export").stdout_bytes == file.read_bytes()
    some = run(there, "export", "--where", "user_id=3", "--since", "2026-11-20T11:00")
    assert 0 < len(lines_of(some)) < 600


def test_an_export_that_fails(shop: Flask, tmp_path: Path) -> None:
    """What an earlier one wrote is still there, whole, and nothing is left beside it."""
    file = tmp_path / "out" / "all.ndjson"
    file.parent.mkdir()
    command = ["export", "--output", str(file)]
    assert run(shop, *command).exit_code == 0
    before = file.read_bytes()
    (tmp_path / "chest.db").write_bytes(b"text" * 1000)
    assert run(shop, *command).exit_code == 1
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_export_into_what_is_no_file(shop: Flask, tmp_path: Path) -> None:
    """A pipe, or a device, is written to, not replaced; a link leads to its file."""
    command = ["export", "--since", "2026-11-20T11:50", "--output"]
    pipe, link, file = (tmp_path / name for name in ("pipe", "link", "some.ndjson"))
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open(reading, "rb") as told:
        assert run(shop, *command, str(pipe)).exit_code == 0
        content = told.read()
    assert len(content.splitlines()) == 10
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    link.symlink_to(file.name)
    assert run(shop, *command, str(link)).exit_code == 0
    assert link.is_symlink()
    assert file.read_bytes() == content
    there = run(shop, *command, str(tmp_path / "nowhere" / "some.ndjson"))
    assert there.exit_code == 1
    assert "nowhere/some.ndjson': No such file or directory" in there.output


def test_import_of_the_past(tmp_path: Path) -> None:
    """Long ranges, which are answered from sums, tell of it at once."""
    app = make_shop(tmp_path)
    app.test_client().get("/")
    deliver(app)
    [chest] = get_state(app).chests
    Maintenance([chest], None).run(threading.Event())
    file = tmp_path / "past.ndjson"
    past = datetime.now(timezone.utc) - timedelta(days=7)
    old = [replace(each, time=past, route="/old", sample_rate=1.0) for each in many(3)]
    file.write_bytes(b"".join(to_line(record) + b"\n" for record in old))
    assert run(app, "import", str(file)).stderr == ""
    stats = run(app, "stats", "--since", "30 days", "--where", "route=/old", "--json")
    assert [group["count"] for group in json.loads(stats.stdout)["groups"]] == [3]
    chest.close()


def test_import_through_a_pipe(tmp_path: Path) -> None:
    """Standard input has no size; what comes is taken all the same."""
    app = make_shop(tmp_path)
    lines = b"\n".join(to_line(record) for record in many(3))
    done = app.test_cli_runner().invoke(chest_group, ["import"], input=lines)
    assert (done.exit_code, done.stdout) == (0, "3 imported\n")
    assert records_left(app) == 3


def test_import_of_bad_lines(shop: Flask, tmp_path: Path) -> None:
    """Good lines are taken, bad ones told by their numbers, and the command fails."""
    file = tmp_path / "in.ndjson"
    good = encode(replace(many(1)[0], id="new"))
    file.write_bytes(good + b"\n\nnot json\n" + b'{"id": 5}\n' * 9)
    result = run(shop, "import", str(file), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"imported": 1, "refused": 10}
    assert "line 3: it is not JSON" in result.stderr
    assert "10 lines are not valid records" in result.stderr


def test_export_as_csv(shop: Flask) -> None:
    """With a column for each variable that is named."""
    options = ["--format", "csv", "--column", "user_id", "--column", "mixed"]
    rows = list(csv.DictReader(io.StringIO(run(shop, "export", *options).stdout)))
    assert len(rows) == 600
    assert {"'=cmd()", "true", "", "1"} <= {row["vars.mixed"] for row in rows}
    assert rows[-1]["request_id"] == "request-0"


def records_left(app: Flask) -> int:
    return len(run(app, "export").stdout.splitlines())


def test_prune(tmp_path: Path) -> None:
    """What is older than the retention goes; the command asks first."""
    app = make_shop(tmp_path, CHEST_RETENTION="6 hours")
    [chest] = get_state(app).chests
    now = datetime.now(timezone.utc)
    chest.write([replace(each, time=now - (END - each.time)) for each in many()])
    chest.close()
    asked = app.test_cli_runner().invoke(chest_group, ["prune"], input="n\n")
    assert asked.exit_code == 1
    assert "delete records older than" in asked.output
    assert records_left(app) == 600
    [told] = lines_of(run(app, "prune", "--yes", "--json"))
    assert 177 <= told["deleted"]["sqlite"] <= 243, "hours go as a whole"
    assert records_left(app) == 600 - told["deleted"]["sqlite"]
    assert run(app, "prune", "--older-than", "1 hour", "--yes").stdout.endswith(" deleted\n")
    assert 57 <= records_left(app) <= 123


def test_prune_of_a_store_that_deletes_nothing(tmp_path: Path) -> None:
    """It is told apart from one that had nothing to delete."""
    app = make_shop(tmp_path, CHEST_CHESTS=["memory://", "sqlite:///chest.db"])
    told = run(app, "prune", "--older-than", "1 day", "--yes").stdout
    assert told == "memory: cannot delete\nsqlite: 0 deleted\n"


def test_forget(tmp_path: Path) -> None:
    """One person's records go from every store, and from the dead letters."""
    app = make_shop(
        tmp_path, CHEST_CHESTS=["sqlite:///one.db", {"url": "sqlite:///two.db", "name": "two"}]
    )
    for chest in get_state(app).chests:
        chest.write(many())
        chest.close()
    journal = JournalScope(get_state(app).journal_dir)
    DeadLetters(journal, "two").add([encode(record) for record in many(10)], "refused")
    asked = app.test_cli_runner().invoke(
        chest_group, ["forget", "--where", "user_id=3"], input="n\n"
    )
    assert "86 in sqlite, 86 in two" in asked.output
    handed = tmp_path / "person.ndjson"
    assert run(app, "forget", "--where", "user_id=3", "--export", str(handed)).exit_code == 0
    assert len(handed.read_bytes().splitlines()) == 87
    [told] = lines_of(run(app, "forget", "--where", "user_id=3", "--yes", "--json"))
    assert told == {"erased": {"sqlite": 86, "two": 87}, "pending": {"sqlite": 0, "two": 0}}
    for name in ("sqlite", "two"):
        left = lines_of(run(app, "export", "--chest", name))
        assert len(left) == 514
        assert not [each for each in left if each["vars"]["user_id"] == 3]
    assert len(DeadLetters(journal, "two").read()) == 9


def test_forget_reaches_what_chests_have_left(tmp_path: Path) -> None:
    """Dead letters of one that is there no more are erased; what waits for it is told of."""
    gone = {"url": "http://127.0.0.1:1/hook", "name": "gone"}
    before = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///chest.db", gone], CHEST_EXPORTER="agent")
    before.test_client().get("/")
    before.extensions["chest"].close()
    app = make_shop(tmp_path)
    journal = JournalScope(get_state(app).journal_dir)
    records = [encode(record) for record in many(10)]
    DeadLetters(replace(journal, app_name=app.name), "gone").add(records, "refused")
    DeadLetters(journal, "redis strangers").add([b'{"entry":"0-1","fields":{}}'], "no record")
    handed = tmp_path / "person.ndjson"
    command = ["forget", "--where", "user_id=3"]
    told = run(app, *command, "--export", str(handed)).stdout
    assert told == "sqlite: 0 exported\ngone: 1 exported\n"
    assert len(handed.read_bytes().splitlines()) == 1
    result = run(app, *command, "--yes", "--json")
    assert json.loads(result.stdout) == {
        "erased": {"sqlite": 0, "gone": 1},
        "pending": {"sqlite": 1, "gone": 1},
    }
    assert "gone: 1 records wait in the journal" in result.stderr
    assert len(DeadLetters(journal, "gone").read()) == 9


def test_forget_hands_out_each_record_once(tmp_path: Path) -> None:
    """Each store is told with what it holds; what two of them hold is written once."""
    app = make_shop(
        tmp_path, CHEST_CHESTS=["sqlite:///one.db", {"url": "sqlite:///two.db", "name": "two"}]
    )
    mine = [each for each in many() if each.vars["user_id"] == 3]
    for chest, records in zip(get_state(app).chests, (mine[:50], mine[40:60]), strict=True):
        chest.write(records)
        chest.close()
    handed = tmp_path / "person.ndjson"
    command = ["forget", "--where", "user_id=3", "--export", str(handed)]
    assert run(app, *command).stdout == "sqlite: 50 exported\ntwo: 20 exported\n"
    [told] = lines_of(run(app, *command, "--json"))
    assert told["exported"] == {"sqlite": 50, "two": 20}
    ids = [json.loads(line)["id"] for line in handed.read_bytes().splitlines()]
    assert sorted(ids) == sorted(each.id for each in mine[:60])


def test_forget_tells_what_is_out_of_reach(tmp_path: Path) -> None:
    """A store that gives nothing back is named, and the command fails."""
    app = make_shop(tmp_path, CHEST_CHESTS=["sqlite:///chest.db", "memory://"])
    result = run(app, "forget", "--where", "user_id=3", "--yes")
    assert result.exit_code == 1
    assert "sqlite: 0 erased" in result.output
    assert "cannot be read or erased from here: memory" in result.output


def test_forget_tells_what_is_out_of_reach_beside_its_dead_letters(tmp_path: Path) -> None:
    """Erased dead letters do not hide that the store itself was not looked through."""
    app = make_shop(tmp_path, CHEST_CHESTS=["memory://"])
    journal = JournalScope(get_state(app).journal_dir)
    DeadLetters(journal, "memory").add([encode(record) for record in many(10)], "refused")
    result = run(app, "forget", "--where", "user_id=3", "--yes", "--json")
    assert json.loads(result.stdout.splitlines()[0])["erased"] == {"memory": 1}
    assert result.exit_code == 1
    assert "cannot be read or erased from here: memory" in result.output


# What SQLite maps of its file is the kernel's cache; the limit is on memory of the process' own.
SCRIPT = """
import resource, sys
from pathlib import Path
from tests.cli.shop import make_shop
from flask_chest.cli import chest
app = make_shop(Path(sys.argv[1]))
app.test_cli_runner().invoke(chest, ["export", "--until", "1980-01-01"])
status = Path("/proc/self/status").read_text()
[data] = [line.split()[1] for line in status.splitlines() if line.startswith("VmData")]
limit = int(data) * 1024 + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
with app.app_context():
    chest.main(["export", "--output", sys.argv[1] + "/out"], standalone_mode=False)
"""


@pytest.mark.server
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what counts here")
def test_export_takes_constant_memory(tmp_path: Path) -> None:
    """However many records there are, a page of them is held at once."""
    room = 20_000_000
    app = make_shop(tmp_path)
    [chest] = get_state(app).chests
    for part in range(20):
        chest.write(list(padded(many(1000), part)))
    chest.close()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), str(room)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").stat().st_size > 2 * room


def padded(records: list[Record], part: int) -> list[Record]:
    return [
        replace(
            record,
            id=f"{record.id[:-2]}{part:02}",
            time=record.time - timedelta(days=part),
            vars={"pad": "x" * 2000},
        )
        for record in records
    ]
