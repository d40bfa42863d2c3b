"""The code of every page runs unchanged, from the first block to the last."""

from __future__ import annotations

import doctest
import shlex
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.cli import FlaskGroup, ScriptInfo

from .pages import PAGES, Block, find_blocks, read

# tests/dockerflow/test_documented_examples.py and tests/archive/test_tools.py run the examples of
# these pages one by one.
ELSEWHERE = {"archive", "dockerflow"}

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

RUNNABLE = [
    page
    for page in PAGES
    if page.stem not in ELSEWHERE
    and any(block.kind in ("python", "pycon") for block in find_blocks(read(page)))
]


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda page: page.stem)
def test_page(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run in one namespace, in order."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    try:
        for block in find_blocks(read(page)):
            run(block, names, page)
    finally:
        close_all(names)


def run(block: Block, names: dict[str, Any], page: Path) -> None:
    if block.kind in ("python", "testsetup"):
        # Empty lines in front give tracebacks the line numbers of the page.
        source = "\n" * (block.line - 1) + block.body
        exec(compile(source, str(page), "exec", dont_inherit=True), names)
    elif block.kind == "pycon":
        check_session(block, names, page)
    elif block.kind == "console":
        check_commands(block, names["app"])


def check_session(block: Block, names: dict[str, Any], page: Path) -> None:
    test = doctest.DocTestParser().get_doctest(block.body, names, page.stem, str(page), block.line)
    output: list[str] = []
    runner = doctest.DocTestRunner(optionflags=_FLAGS)
    runner.run(test, out=output.append, clear_globs=False)
    names.update(test.globs)
    assert not runner.failures, "".join(output)


def check_commands(block: Block, app: Flask) -> None:
    """Run each ``$ flask ...`` with the page's app, and compare its output with the page."""
    for part in block.body.split("$ flask ")[1:]:
        command, _, expected = part.partition("\n")
        group = FlaskGroup(create_app=lambda: app, add_version_option=False)
        result = app.test_cli_runner().invoke(
            group, shlex.split(command), obj=ScriptInfo(create_app=group.create_app)
        )
        found = "\n".join(line.rstrip() for line in result.output.splitlines())
        checker = doctest.OutputChecker()
        assert checker.check_output(expected.strip(), found, _FLAGS), result.output


def close_all(names: dict[str, Any]) -> None:
    for value in list(names.values()):
        if isinstance(value, Flask) and "chest" in value.extensions:
            value.extensions["chest"].close()
