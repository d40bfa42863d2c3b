"""Commands that know the archive."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from flask import Flask

from flask_chest import FlaskChest
from flask_chest.app.state import get_state
from flask_chest.archive.store_archive import StoreArchive
from flask_chest.cli import chest
from flask_chest.errors import ConfigError
from flask_chest.query.query import Query

from ..dashboard.shop import log_in
from .source_suite import START, sample

WHOLE = Query(since=START - timedelta(days=9000), until=START + timedelta(days=9000))


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    app = Flask(__name__, instance_path=str(tmp_path))
    FlaskChest(app)
    get_state(app).chests[0].write(sample(60))
    return app


def run(app: Flask, *arguments: str) -> str:
    result = app.test_cli_runner().invoke(chest, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def archive_of(app: Flask) -> StoreArchive:
    state = get_state(app)
    store = state.archives.of(state.chests[0])
    assert store is not None
    return store


def test_archive(app: Flask, tmp_path: Path) -> None:
    assert run(app, "archive") == "sqlite: 60 archived\n"
    assert json.loads(run(app, "archive", "--json")) == {
        "archived": {"sqlite": 0},
        "place": str(tmp_path / "chest-archive"),
    }
    assert len(list((tmp_path / "chest-archive").glob("sqlite-*/data/*.parquet"))) == 1


def test_archive_without_one(tmp_path: Path) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config["CHEST_ARCHIVE"] = False
    FlaskChest(app)
    result = app.test_cli_runner().invoke(chest, ["archive"])
    assert result.exit_code == 1
    assert "CHEST_ARCHIVE" in result.output


def test_prune_archives_first(app: Flask) -> None:
    assert "sqlite: 60 deleted" in run(app, "prune", "--older-than", "1 hour", "--yes")
    assert len(list(archive_of(app).records(WHOLE))) == 60


def test_prune_drops_what_the_archive_keeps_no_longer(tmp_path: Path) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.update(CHEST_RETENTION="1 hour", CHEST_ARCHIVE_RETENTION="2 hours")
    FlaskChest(app)
    get_state(app).chests[0].write(sample(60))
    output = run(app, "prune", "--yes")
    assert output == "sqlite: 60 deleted\narchive of sqlite: 60 deleted\n"
    assert list(archive_of(app).records(WHOLE)) == []


def test_forget_erases_and_exports_what_is_archived(app: Flask, tmp_path: Path) -> None:
    run(app, "prune", "--older-than", "1 hour", "--yes")
    file = tmp_path / "person.ndjson"
    run(app, "forget", "--where", "user_id=42", "--export", str(file))
    exported = [json.loads(line)["id"] for line in file.read_text().splitlines()]
    assert len(exported) == 20
    assert "archive of sqlite: 20 erased" in run(app, "forget", "--where", "user_id=42", "--yes")
    remaining = {record.id for record in archive_of(app).records(WHOLE)}
    assert len(remaining) == 40
    assert not remaining.intersection(exported)


def test_export_and_import_parquet(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "records.parquet"
    run(app, "export", "--format", "parquet", "--output", str(file))
    other = Flask(__name__, instance_path=str(tmp_path / "other"))
    FlaskChest(other)
    assert run(other, "import", str(file)) == "60 imported\n"
    # An import, as a capture, makes text of an integer beyond 63 bits.
    big = "18446744073709551615"
    assert run(other, "export").replace(f'"{big}"', big) == run(app, "export")
    file.write_bytes(file.read_bytes()[:100])
    result = other.test_cli_runner().invoke(chest, ["import", str(file)])
    assert result.exit_code == 1
    assert "no Parquet file of records" in result.output


@pytest.mark.parametrize("value", ["", True, 3, "s3://", "s3://key:secret@bucket/prefix"])
def test_a_wrong_place_is_refused(tmp_path: Path, value: object) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config["CHEST_ARCHIVE"] = value
    with pytest.raises(ConfigError, match="CHEST_ARCHIVE"):
        FlaskChest(app)


def test_commands_read_what_was_pruned(app: Flask) -> None:
    before = run(app, "export")
    run(app, "prune", "--older-than", "1 hour", "--yes")
    get_state(app).chests[0].write(sample(1, 700))
    assert len(run(app, "export").splitlines()) == 61
    assert set(before.splitlines()) < set(run(app, "export").splitlines())
    shown = run(app, "show", f"{3:032x}")
    assert "/orders/<int:id>" in shown
    stats = run(app, "stats", "--since", "2026-11-19", "--until", "2026-11-21", "--json")
    assert json.loads(stats)["groups"][0]["count"] == 30 + 30 * 10 + 1


def test_the_dashboard_reads_the_archive(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_chest.dashboard.blueprint._REOPEN_INTERVAL", -1)
    other = Flask(__name__, instance_path=app.instance_path)
    other.config.update(CHEST_DASHBOARD=True, CHEST_DASHBOARD_TOKEN="t" * 20)
    chest = FlaskChest(other)
    client = other.test_client()
    assert log_in(client, "t" * 20).status_code == 303
    page = f"/chest/requests/{3:032x}"
    assert client.get(page).status_code == 200
    run(app, "prune", "--older-than", "1 hour", "--yes")
    assert client.get(page).status_code == 200
    chest.close()
