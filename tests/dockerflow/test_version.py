"""Tests ``/__version__``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_chest.dockerflow import Dockerflow
from flask_chest.dockerflow.version import MAX_BYTES, VersionError, VersionFile, get_version

VERSION = {
    "source": "https://example.org/shop",
    "version": "2026.11.0",
    "commit": "52ce614fbf99540a1bf6228e36be6cef63b4d73b",
    "build": "https://ci.example.org/7",
}


def app_in(folder: Path, **arguments: Any) -> Flask:
    package = folder / "shop"
    package.mkdir(exist_ok=True)
    app = Flask("shop", root_path=str(package))
    Dockerflow(app, **arguments)
    return app


def test_lies_beside_the_package(tmp_path: Path) -> None:
    """``version.json`` is served from the parent of the app's root path."""
    (tmp_path / "version.json").write_text(json.dumps(VERSION))
    response = app_in(tmp_path).test_client().get("/__version__")
    assert (response.status_code, response.json) == (200, VERSION)


@pytest.mark.parametrize("kind", [str, Path])
def test_version_path(tmp_path: Path, kind: type[Any]) -> None:
    """``version_path`` sets another folder, as a string or as a path."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "version.json").write_text(json.dumps(VERSION))
    app = app_in(tmp_path, version_path=kind(tmp_path / "app"))
    assert app.test_client().get("/__version__").json == VERSION


def test_missing(tmp_path: Path) -> None:
    """Without a file, the response is 404, in JSON."""
    response = app_in(tmp_path).test_client().get("/__version__")
    assert response.status_code == 404
    assert response.json is not None
    assert response.json["error"] == "version.json not found"


def test_each_app_has_its_own(tmp_path: Path) -> None:
    """A Dockerflow of two apps serves each app's file."""
    dockerflow = Dockerflow()
    answers = []
    for name in ("one", "two"):
        (tmp_path / name / "shop").mkdir(parents=True)
        (tmp_path / name / "version.json").write_text(json.dumps({"version": name}))
        app = Flask("shop", root_path=str(tmp_path / name / "shop"))
        dockerflow.init_app(app)
        answers.append(app.test_client().get("/__version__").json)
    assert answers == [{"version": "one"}, {"version": "two"}]


def test_read_anew_when_changed(tmp_path: Path) -> None:
    """A changed file is served at once, even if its size and time are the same."""
    file = tmp_path / "version.json"
    client = app_in(tmp_path).test_client()
    for version in ("1", "2", "3"):
        file.write_text(json.dumps({"version": version}))
        assert client.get("/__version__").json == {"version": version}
    file.unlink()
    assert client.get("/__version__").status_code == 404


def test_an_old_file_is_read_once(tmp_path: Path) -> None:
    """A file that has not changed for a while is cached until its time changes."""
    path = tmp_path / "version.json"
    path.write_text('{"version": "1"}')
    os.utime(path, (1_000_000_000, 1_000_000_000))
    file = VersionFile(tmp_path)
    first = file.read()
    assert file.read() is first
    os.utime(path, (1_000_000_001, 1_000_000_001))
    assert file.read() == first
    assert file.read() is not first


BROKEN = {
    "an array": b"[1, 2]",
    "a string": b'"1.0"',
    "null": b"null",
    "a number": b"1",
    "not JSON": b"{'version': 1}",
    "empty": b"",
    "not UTF-8": b'{"version": "\xff"}',
    "deep": b"[" * 50_000,
    "NaN": b'{"version": NaN}',
    "too large": b'{"version": "' + b"1" * MAX_BYTES + b'"}',
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_broken_file(tmp_path: Path, content: bytes) -> None:
    """An invalid file results in a JSON error with the reason."""
    (tmp_path / "version.json").write_bytes(content)
    response = app_in(tmp_path).test_client().get("/__version__")
    assert response.status_code == 500
    assert response.json is not None
    assert response.json["error"].startswith("version.json ")
    assert str(tmp_path) not in response.text


def test_a_hundred_megabytes_are_not_read(tmp_path: Path) -> None:
    """Only the first 64 KiB of a file are read, however long it is."""
    path = tmp_path / "version.json"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(VersionError, match="larger than 65536 bytes"):
        get_version(tmp_path)


def test_symlink_loop(tmp_path: Path) -> None:
    """A symlink to itself results in a JSON error."""
    (tmp_path / "version.json").symlink_to("version.json")
    response = app_in(tmp_path).test_client().get("/__version__")
    assert response.status_code == 500
    assert response.json is not None
    assert "symbolic links" in response.json["error"]


def test_pipe_and_folder(tmp_path: Path) -> None:
    """Other than regular files are errors, and a pipe does not block."""
    os.mkfifo(tmp_path / "version.json")
    with pytest.raises(VersionError, match="not a regular file"):
        get_version(tmp_path)
    (tmp_path / "version.json").unlink()
    (tmp_path / "version.json").mkdir()
    with pytest.raises(VersionError, match="not a regular file"):
        get_version(tmp_path)


def test_callback(tmp_path: Path) -> None:
    """A version callback is called with the folder and replaces the file; ``None`` is 404."""
    app = app_in(tmp_path)
    asked: list[Any] = []
    answers: list[Any] = [{"version": "9"}, None]

    def version(root: Any) -> Any:
        asked.append(root)
        return answers.pop(0)

    assert app.extensions["dockerflow"].version_callback(version) is version
    client = app.test_client()
    assert client.get("/__version__").json == {"version": "9"}
    assert client.get("/__version__").status_code == 404
    assert asked == [str(tmp_path)] * 2


def test_callback_gets_version_path_as_it_was_given() -> None:
    """The callback's argument is ``version_path`` itself."""
    app = Flask("shop")
    dockerflow = Dockerflow(app, version_path="/something/extra/ordinary")
    dockerflow.version_callback(lambda root: {"root": root})
    answer = app.test_client().get("/__version__").json
    assert answer == {"root": "/something/extra/ordinary"}


def test_callback_that_raises(app: Flask, dockerflow: Dockerflow) -> None:
    """A callback's exception results in a JSON error without the exception's text."""

    @dockerflow.version_callback
    def version(root: Any) -> Any:
        raise RuntimeError("postgresql://user:secret@host")

    response = app.test_client().get("/__version__")
    assert response.status_code == 500
    assert response.json is not None
    assert response.json["error"] == "the version callback raised RuntimeError"


def test_callback_that_returns_no_json(app: Flask, dockerflow: Dockerflow) -> None:
    """An object that is not JSON results in a JSON error."""
    dockerflow.version_callback(lambda root: {"version": object()})
    response = app.test_client().get("/__version__")
    assert (response.status_code, response.is_json) == (500, True)
