"""The built package: built here, installed in a new environment, used outside the repository."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import venv
import zipfile
from configparser import ConfigParser
from contextlib import closing
from email.parser import Parser
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

from flask_chest import __version__
from tests import ROOT

from ..docs.pages import find_blocks

pytest.importorskip("build")

# No server starts here, but building takes as long, so these tests run with the server tests.
pytestmark = pytest.mark.server

IGNORED = shutil.ignore_patterns(
    ".*", "*.pyc", "*.so", "__pycache__", "*.egg-info", "build", "dist", "instance", "_build"
)

COMPILED = "flask_chest/_speedups/_compiled.abi3.so"

VISIT = """
import sys
from app import app
import flask_chest

assert app.test_client().post("/orders/7").text == "paid"
assert app.extensions["chest"].flush(60)
app.extensions["chest"].close()
print(flask_chest.__version__, flask_chest.__file__)
"""

APP = """
from flask import Flask
from flask_chest import FlaskChest

app = Flask(__name__)
FlaskChest(app)
"""

VISIT_PURE = """
from app import app
import flask_chest
from flask_chest.testing import capture_records

with capture_records(app) as records:
    assert app.test_client().get("/").status_code == 404
assert [record.status for record in records] == [404]
print(flask_chest.__file__)
"""


class Built(NamedTuple):
    """The two files of a release."""

    wheel: Path
    sdist: Path


def run(*command: str | Path, folder: Path, **others: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment.pop("PURE_FLASK_CHEST", None)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**environment, **others},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository without build products, like a clone."""
    copy = tmp_path_factory.mktemp("clone") / "flask-chest"
    shutil.copytree(ROOT, copy, ignore=IGNORED)
    for hidden in (".ci", ".github"):
        shutil.copytree(ROOT / hidden, copy / hidden)
    return copy


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """``python -m build``, which builds the wheel from the sdist, so the sdist must be complete."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, tree, folder=folder)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


@pytest.fixture(scope="module")
def python(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and its requirements only."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", built.wheel, folder=folder)
    return python


def test_the_wheel_holds_the_package(tree: Path, built: Built) -> None:
    """The wheel contains every file of the package, and no other file."""
    package = {
        str(path.relative_to(tree)) for path in (tree / "flask_chest").rglob("*") if path.is_file()
    }
    source = {name for name in package if name.endswith((".c", ".h"))}
    with zipfile.ZipFile(built.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {"flask_chest/py.typed", "flask_chest/_speedups/_compiled.pyi"} <= set(names)
    assert source
    assert names == package - source | {COMPILED}


def test_one_wheel_for_all_pythons(built: Built) -> None:
    """The compiled module uses the stable ABI only."""
    assert "-cp310-abi3-" in built.wheel.name


def test_the_sdist_holds_the_repository(tree: Path, built: Built) -> None:
    """The sdist contains what is needed to run the tests, build the docs and build the package."""
    with tarfile.open(built.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    files = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    # The build leaves these in the tree.
    files = {name for name in files if ".egg-info/" not in name and not name.startswith("build/")}
    assert files <= names


def test_the_metadata(built: Built) -> None:
    """Version, Pythons and extras match the repository, and each extra lists its requirements."""
    with zipfile.ZipFile(built.wheel) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        told = Parser().parsestr(wheel.read(name).decode())
        assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert told["Version"] == __version__
    assert told["Requires-Python"] == setup["options"]["python_requires"]
    assert "MIT" in (told["License"], told["License-Expression"])
    extras = setup["options.extras_require"]
    assert set(told.get_all("Provides-Extra", [])) == set(extras)
    requirements = [Requirement(each) for each in told.get_all("Requires-Dist", [])]
    for extra, listed in extras.items():
        output = {
            each.name
            for each in requirements
            if each.marker is not None and each.marker.evaluate({"extra": extra})
        }
        assert output == {Requirement(each).name for each in listed.split()}
    minor = {each[-4:] for each in told.get_all("Classifier", []) if ":: 3.1" in each}
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in minor


def test_the_readme_runs(python: Path, tmp_path: Path) -> None:
    """The README's first example stores its row in the new environment, without any driver."""
    text = (ROOT / "README.rst").read_text(encoding="utf-8")
    example = next(block.body for block in find_blocks(text) if block.kind == "python")
    (tmp_path / "app.py").write_text(example)
    version, _, path = run(python, "-c", VISIT, folder=tmp_path).strip().partition(" ")
    assert version == __version__
    assert Path(path).is_relative_to(python.parents[1])
    assert Path(path).with_name("py.typed").exists()
    with closing(sqlite3.connect(tmp_path / "instance" / "chest.db")) as database:
        rows = database.execute("select method, route, status from chest_records").fetchall()
    assert rows == [("POST", "/orders/<int:order_id>", 200)]


def test_the_command(python: Path, tmp_path: Path) -> None:
    """``flask chest`` comes with the package."""
    (tmp_path / "app.py").write_text(APP)
    told = run(python.with_name("flask"), "chest", "rules", folder=tmp_path)
    assert re.search(r"^GET +/static/<path:filename> +all of g +sqlite", told, re.MULTILINE)


def test_the_installation_is_consistent(python: Path, tmp_path: Path) -> None:
    """pip finds no conflict; only files that belong to an optional library need one."""
    run(python, "-m", "pip", "check", folder=tmp_path)
    program = """
import pkgutil, importlib, flask_chest

for found in pkgutil.walk_packages(flask_chest.__path__, "flask_chest."):
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        print(found.name, error.name)
"""
    missing = run(python, "-W", "error", "-c", program, folder=tmp_path).split()
    stores = {"psycopg", "pymysql", "pymongo", "bson"}
    jobs_and_measures = {"celery", "dramatiq", "httpx", "huey", "redis", "rq"}
    assert set(missing[1::2]) <= stores | jobs_and_measures


def test_the_sdist_installs(built: Built, python: Path, tmp_path: Path) -> None:
    """pip builds the same package from the sdist."""
    target = tmp_path / "target"
    command = ["-m", "pip", "install", "--quiet", "--no-deps", f"--target={target}"]
    run(python, *command, built.sdist, folder=tmp_path)
    with zipfile.ZipFile(built.wheel) as wheel:
        names = [name for name in wheel.namelist() if name.startswith("flask_chest/")]
        names.remove(COMPILED)  # the debug information contains the build folder
        for name in names:
            assert (target / name).read_bytes() == wheel.read(name)
    assert (target / COMPILED).exists()


@pytest.mark.parametrize(
    "without", [{"CC": "/bin/false"}, {"PURE_FLASK_CHEST": "1"}], ids=["no-compiler", "turned-off"]
)
def test_without_the_compiled_module(
    built: Built, python: Path, tmp_path: Path, without: dict[str, str]
) -> None:
    """Without a compiler, or with compiling turned off, the package installs and records."""
    target = tmp_path / "target"
    command = ["-m", "pip", "install", "--quiet", "--no-deps", f"--target={target}"]
    run(python, *command, built.sdist, folder=tmp_path, **without)
    assert (target / "flask_chest" / "_speedups" / "_python.py").exists()
    assert not (target / COMPILED).exists()
    (tmp_path / "app.py").write_text(APP)
    output = run(python, "-c", VISIT_PURE, folder=tmp_path, PYTHONPATH=str(target))
    assert Path(output.strip()).is_relative_to(target)
