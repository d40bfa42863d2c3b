"""The documentation names everything public in the code, and nothing that does not exist."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from configparser import ConfigParser
from importlib import import_module
from types import ModuleType
from typing import Any

import click
import pytest
from blinker import NamedSignal

import flask_chest
from flask_chest import signals
from flask_chest.chests.store_registry import SCHEMES
from flask_chest.cli import chest
from flask_chest.config.default_redaction import DEFAULT_REDACT
from flask_chest.config.setting_keys import KEYS
from flask_chest.dockerflow import checks, settings
from flask_chest.dockerflow import logging as dockerflow_logging
from flask_chest.dockerflow import signals as dockerflow_signals
from tests import ROOT

from .pages import DOCS, whole

TEXT = whole()

# The configuration page shows the error for this misspelt key.
_MISSPELT = {"CHEST_BUFER"}


def load_tables() -> Any:
    """Import the module that generates the tables."""
    spec = importlib.util.spec_from_file_location("tables", DOCS / "_ext" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLES = load_tables()


def uses(page: str, directive: str) -> bool:
    return f".. {directive}::\n" in (DOCS / page).read_text(encoding="utf-8")


def test_every_config_key() -> None:
    """The reference lists every key, and pages name no other key."""
    table = "\n".join(TABLES.config_keys())
    assert uses("configuration.rst", "chest-config")
    assert re.findall(r"^\.\. confval:: (\w+)$", table, re.MULTILINE) == list(KEYS)
    for key in KEYS.values():
        assert f":default: ``{key.default!r}``" in table
    # CHEST_TEST_* configures this test suite, not an app.
    named = set(re.findall(r"(?<!\w)(?:FLASK_)?(CHEST_(?!TEST_)[A-Z][A-Z_]+)", TEXT))
    assert named - _MISSPELT <= set(KEYS)


def test_every_key_is_explained() -> None:
    """The pages also mention each key outside of the reference."""
    assert [name for name in KEYS if name not in TEXT] == []


def test_every_dockerflow_key() -> None:
    """The pages name every key that the code reads, and no other."""
    known = {
        value
        for value in vars(settings).values()
        if isinstance(value, str) and value.startswith("DOCKERFLOW_")
    }
    assert set(re.findall(r"\bDOCKERFLOW_[A-Z_]+", TEXT)) == known


def test_default_patterns() -> None:
    """The page on privacy lists the default patterns."""
    assert uses("privacy.rst", "chest-redacted")
    [listed] = TABLES.default_patterns()
    assert re.findall(r"``(.+?)``", listed) == list(DEFAULT_REDACT)


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield above + name, command


def test_every_command() -> None:
    """The reference lists every command and option, and pages call no other command."""
    reference = "\n".join(TABLES.commands()).replace("\\", "")
    known = dict(commands(chest))
    if uses("cli.rst", "chest-commands"):
        page = reference
    else:
        page = (DOCS / "cli.rst").read_text(encoding="utf-8")
    for name, command in known.items():
        assert f"flask chest {name}" in page
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or option in page
    called = set(re.findall(r"flask chest ([a-z][a-z-]*)", TEXT)) - {"comes"}
    assert called <= {word for name in known for word in name.split()}


@pytest.mark.parametrize("module", [signals, dockerflow_signals], ids=lambda each: each.__name__)
def test_every_signal(module: ModuleType) -> None:
    """Each signal is in the API reference and on another page."""
    named = [name for name, value in vars(module).items() if isinstance(value, NamedSignal)]
    assert named
    for name in named:
        assert f"{module.__name__}.{name}" in documented()
        assert TEXT.count(name) > 1


def documented() -> set[str]:
    """Return the full names of everything in the API reference."""
    found: set[str] = set()
    current = ""
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    for directive, name, options in re.findall(
        r"^\.\. (\w+):: (\S+)\n((?:   .*\n)*)", text, re.MULTILINE
    ):
        if directive == "currentmodule":
            current = name
        elif directive == "automodule":
            found |= {f"{name}.{member}" for member in members_shown(name, options)}
        else:
            found.add(name if name.startswith("flask_chest.") else f"{current}.{name}")
    return found


def members_shown(name: str, options: str) -> list[str]:
    shown = re.search(r":members:((?:.*\n)(?:      .*\n)*)", options)
    if shown is None:
        return []
    listed: list[str] = re.findall(r"\w+", shown[1])
    module = import_module(name)
    public = [each for each in vars(module) if not each.startswith("_")]
    return listed or list(getattr(module, "__all__", public))


def test_documented_names_exist() -> None:
    """Every name of the API reference can be imported."""
    for name in documented():
        module, _, member = name.rpartition(".")
        assert hasattr(import_module(module), member), name


def test_every_public_name() -> None:
    """Everything that a package exports is in the API reference."""
    exported = {
        f"{module.__name__}.{name}"
        for module in (flask_chest, checks, dockerflow_logging)
        for name in module.__all__
    }
    assert exported - documented() == {"flask_chest.__version__"}


def test_every_method_of_the_extension() -> None:
    """The API reference lists the public methods of ``FlaskChest``."""
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    shown = re.search(r"autoclass:: FlaskChest\n   :members: (.*)", text)
    assert shown is not None
    public = {name for name in vars(flask_chest.FlaskChest) if not name.startswith("_")}
    assert set(shown[1].split(", ")) == public - {"of"}  # for upper packages only


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(flask_chest.__path__, "flask_chest."):
        yield import_module(found.name)


def test_every_name_with_a_version() -> None:
    """Everything with a ``versionadded`` is in the API reference."""
    shown = {resolve(name) for name in documented()}
    missing = {
        f"{module.__name__}.{name}"
        for module in modules()
        for name, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", None) == module.__name__
        and ".. versionadded::" in (value.__doc__ or "")
        and id(value) not in shown
    }
    assert not missing


def resolve(name: str) -> int:
    module, _, member = name.rpartition(".")
    return id(getattr(import_module(module), member))


def test_every_url_scheme() -> None:
    """A page shows each scheme that ``CHEST_CHESTS`` accepts; pages on stores show no other."""
    for scheme in SCHEMES:
        assert f"{scheme}://" in TEXT
    pages = ("stores", "clickhouse", "kafka", "redis", "opentelemetry")
    stores = "\n".join((DOCS / f"{page}.rst").read_text(encoding="utf-8") for page in pages)
    assert set(re.findall(r"(?:``|\")([a-z+]+)://", stores)) <= set(SCHEMES)


def test_every_benchmark() -> None:
    """The page on performance lists every benchmark, and no other."""
    can_run = {
        path.stem
        for path in (ROOT / "benchmarks").glob("[a-z]*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    page = (DOCS / "performance.rst").read_text(encoding="utf-8")
    assert set(re.findall(r"benchmarks\.(\w+)", page)) == can_run


def test_every_extra() -> None:
    """Every extra that a page names exists."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = set(re.findall(r"(?:flask-chest|'?\.)\[([a-z]+)\]", TEXT))
    assert named <= set(setup["options.extras_require"])
    assert {"postgresql", "mysql", "mongodb", "clickhouse"} <= named


CONTRIBUTING = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")

# The store that CONTRIBUTING.rst adds as an example.
_TO_BE_WRITTEN = {
    "flask_chest/chests/ndjson/chest.py",
    "tests/chests/ndjson",
    "tests/chests/ndjson/test_chest.py",
}


def map_rows() -> dict[str, str]:
    """Return the rows of the map in CONTRIBUTING.rst: the text by the file or folder."""
    table = CONTRIBUTING.partition("in ``flask_chest/`` ")[2].partition("\n\n")[0]
    rows: dict[str, str] = {}
    name = ""
    for line in table.splitlines()[2:-1]:
        name = line[:25].strip("` ") or name
        rows[name] = rows.get(name, "") + line[25:] + "\n"
    return rows


def test_the_map_names_every_package() -> None:
    """The map in CONTRIBUTING.rst lists every public file and folder of the package."""
    top = {name.removesuffix(".py").strip("/") for name in map_rows() if name.count("/") < 2}
    found = {name for _, name, _ in pkgutil.iter_modules(flask_chest.__path__)}
    assert top == {name for name in found if not name.startswith("_")}


def test_the_map_names_files_that_exist() -> None:
    """Every file that the map in CONTRIBUTING.rst lists in a package exists there."""
    package = ROOT / "flask_chest"
    listed = [
        (folder, name)
        for folder, text in map_rows().items()
        if folder.endswith("/")
        for name in re.findall(r"``([a-z_]+)``", text)
    ]
    assert listed
    assert [
        f"{folder}{name}"
        for folder, name in listed
        if not (package / folder / f"{name}.py").exists() and not (package / folder / name).is_dir()
    ] == []


def test_every_path_that_contributors_are_given() -> None:
    """Every path in CONTRIBUTING.rst exists, but for the files that a reader is to write."""
    quoted = re.findall(r"``([\w./-]+(?:\.py|\.rst|\.cfg|\.ini|\.txt|/))``", CONTRIBUTING)
    in_commands = re.findall(r"(?<![\w/.])(?:flask_chest|tests|docs)/[\w./-]*\w", CONTRIBUTING)
    paths = {path for path in (*quoted, *in_commands) if path not in _TO_BE_WRITTEN}
    roots = (ROOT, ROOT / "flask_chest")
    assert sorted(path for path in paths if not any((root / path).exists() for root in roots)) == []


def test_every_function_on_the_way_of_the_data() -> None:
    """Each step that CONTRIBUTING.rst describes names a function of the file that it names."""
    steps = re.findall(r"``([\w/]+)\.py``:\s+``(\w+(?:\.\w+)?)``", CONTRIBUTING)
    steps = [
        (file, name) for file, name in steps if not file.startswith(("flask_chest/", "tests/"))
    ]
    assert len(steps) > 15
    for file, name in steps:
        found: Any = import_module(f"flask_chest.{file.replace('/', '.')}")
        for part in name.split("."):
            assert hasattr(found, part), f"{file}.py has no {name}"
            found = getattr(found, part)


def test_every_tox_environment() -> None:
    """CONTRIBUTING.rst lists every environment of tox.ini, and no other."""
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    table = CONTRIBUTING.partition("=====\n``")[2]
    listed = re.findall(r"^(?:``)?([a-z0-9 ]+)``  ", table.partition("\n\n")[0], re.MULTILINE)
    sections = {name.removeprefix("testenv:") for name in tox if re.match("testenv:[a-z]", name)}
    assert set(" ".join(listed).split()) == sections | set(re.split(r"\W+", tox["tox"]["env_list"]))


def test_every_variable_for_a_test_server() -> None:
    """CONTRIBUTING.rst names every variable that gives the tests the URL of a server."""
    pattern = r"\bCHEST_TEST_[A-Z]+_URL\b"
    read = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")]
    assert set(re.findall(pattern, CONTRIBUTING)) == set(re.findall(pattern, "\n".join(read)))
