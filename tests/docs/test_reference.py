"""The documentation and the code name the same things."""

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
from flask_chest.chests.registry import SCHEMES
from flask_chest.cli import chest
from flask_chest.config.settings import DEFAULT_REDACT, KEYS
from flask_chest.dockerflow import checks, settings
from flask_chest.dockerflow import logging as dockerflow_logging
from flask_chest.dockerflow import signals as dockerflow_signals
from tests import ROOT

from .pages import DOCS, whole

TEXT = whole()

# What the configuration page misspells, to show what comes of it.
_SLIPS = {"CHEST_BUFER"}


def load_tables() -> Any:
    """The module that makes the generated tables."""
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
    """The reference is made from the table of keys; what pages name is in that table."""
    table = "\n".join(TABLES.config_keys())
    assert uses("configuration.rst", "chest-config")
    assert re.findall(r"^\.\. confval:: (\w+)$", table, re.MULTILINE) == list(KEYS)
    for key in KEYS.values():
        assert f":default: ``{key.default!r}``" in table
    # Those of the tests themselves are no keys of an app.
    named = set(re.findall(r"(?<!\w)(?:FLASK_)?(CHEST_(?!TEST_)[A-Z][A-Z_]+)", TEXT))
    assert named - _SLIPS <= set(KEYS)


def test_every_key_is_explained() -> None:
    """A reference is not enough: each key also stands where its use is told."""
    assert [name for name in KEYS if name not in TEXT] == []


def test_every_dockerflow_key() -> None:
    """What pages name are the keys that the code reads, all of them."""
    known = {
        value
        for value in vars(settings).values()
        if isinstance(value, str) and value.startswith("DOCKERFLOW_")
    }
    assert set(re.findall(r"\bDOCKERFLOW_[A-Z_]+", TEXT)) == known


def test_default_patterns() -> None:
    """The page on privacy lists the patterns that hold by default."""
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
    """The page is made from the commands; what pages call is among them."""
    reference = "\n".join(TABLES.commands()).replace("\\", "")
    known = dict(commands(chest))
    if uses("cli.rst", "chest-commands"):
        told = reference
    else:
        told = (DOCS / "cli.rst").read_text(encoding="utf-8")
    for name, command in known.items():
        assert f"flask chest {name}" in told
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or option in told
    called = set(re.findall(r"flask chest ([a-z][a-z-]*)", TEXT)) - {"comes"}
    assert called <= {word for name in known for word in name.split()}


@pytest.mark.parametrize("module", [signals, dockerflow_signals], ids=lambda each: each.__name__)
def test_every_signal(module: ModuleType) -> None:
    """Each is in the API reference, and told of elsewhere."""
    named = [name for name, value in vars(module).items() if isinstance(value, NamedSignal)]
    assert named
    for name in named:
        assert f"{module.__name__}.{name}" in documented()
        assert TEXT.count(name) > 1


def documented() -> set[str]:
    """The full names of all that the API reference shows."""
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


def test_what_is_documented_is_there() -> None:
    """Each name of the API reference can be imported."""
    for name in documented():
        module, _, member = name.rpartition(".")
        assert hasattr(import_module(module), member), name


def test_every_public_name() -> None:
    """All that a package exports is in the API reference."""
    exported = {
        f"{module.__name__}.{name}"
        for module in (flask_chest, checks, dockerflow_logging)
        for name in module.__all__
    }
    assert exported - documented() == {"flask_chest.__version__"}


def test_every_method_of_the_extension() -> None:
    """What users call on ``FlaskChest`` is in the API reference."""
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    shown = re.search(r"autoclass:: FlaskChest\n   :members: (.*)", text)
    assert shown is not None
    public = {name for name in vars(flask_chest.FlaskChest) if not name.startswith("_")}
    assert set(shown[1].split(", ")) == public - {"of"}  # that is for the rooms above


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(flask_chest.__path__, "flask_chest."):
        yield import_module(found.name)


def test_every_name_with_a_version() -> None:
    """What says since when it is there is public, and what is public is in the reference."""
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
    """Each that CHEST_CHESTS takes stands on a page, and the pages on stores name no other."""
    for scheme in SCHEMES:
        assert f"{scheme}://" in TEXT
    pages = ("stores", "clickhouse", "kafka", "redis", "opentelemetry")
    stores = "\n".join((DOCS / f"{page}.rst").read_text(encoding="utf-8") for page in pages)
    assert set(re.findall(r"(?:``|\")([a-z+]+)://", stores)) <= set(SCHEMES)


def test_every_benchmark() -> None:
    """The page on performance has a line for each that can be run, and for no other."""
    can_run = {
        path.stem
        for path in (ROOT / "benchmarks").glob("[a-z]*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    page = (DOCS / "performance.rst").read_text(encoding="utf-8")
    assert set(re.findall(r"benchmarks\.(\w+)", page)) == can_run


def test_every_extra() -> None:
    """Extras that pages name exist."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = set(re.findall(r"(?:flask-chest|'?\.)\[([a-z]+)\]", TEXT))
    assert named <= set(setup["options.extras_require"])
    assert {"postgresql", "mysql", "mongodb", "clickhouse"} <= named


def test_every_room() -> None:
    """CONTRIBUTING.rst says what each file and folder of the package is for, and names no other."""
    text = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    table = text.partition("room of ``flask_chest/``")[2].partition("\n\n")[0]
    first = "\n".join(line[:42] for line in table.splitlines())
    told = set(re.findall(r"``([a-z_]+)(?:/|\.py)``", first))
    rooms = {name for _, name, _ in pkgutil.iter_modules(flask_chest.__path__)}
    assert told == {name for name in rooms if not name.startswith("_")}


def test_every_tox_environment() -> None:
    """CONTRIBUTING.rst has a line for each environment of tox.ini, and no other."""
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    table = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8").partition("=====\n``")[2]
    told = re.findall(r"^(?:``)?([a-z0-9 ]+)``  ", table.partition("\n\n")[0], re.MULTILINE)
    sections = {name.removeprefix("testenv:") for name in tox if re.match("testenv:[a-z]", name)}
    assert set(" ".join(told).split()) == sections | set(re.split(r"\W+", tox["tox"]["env_list"]))


def test_every_server_of_ones_own() -> None:
    """CONTRIBUTING.rst names each variable that leads tests to a server of one's own."""
    pattern = r"\bCHEST_TEST_[A-Z]+_URL\b"
    read = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    told = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    assert set(re.findall(pattern, told)) == set(re.findall(pattern, "\n".join(read)))
