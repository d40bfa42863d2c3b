"""The pages of the documentation, and their code blocks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.rst"))

_BLOCK = re.compile(
    r"^( *)\.\. (?:code-block:: (\w+)|(testsetup)::) *\n((?:\1 +:.*\n)*)((?:\1 {1,}.*\n|\s*\n)+)",
    re.M,
)


class Block(NamedTuple):
    """A code block of a page.

    :param kind: ``python``, ``pycon``, ``console``, ...; readers do not see a ``testsetup``.
    :param line: the number of its first line, from 1.
    """

    kind: str
    body: str
    line: int


def find_blocks(text: str) -> Iterator[Block]:
    """Yield the ``code-block`` and ``testsetup`` directives of a page, in order."""
    for match in _BLOCK.finditer(text):
        body = textwrap.dedent(match[5]).strip("\n") + "\n"
        before = match.start(5) + len(match[5]) - len(match[5].lstrip("\n"))
        yield Block(match[2] or match[3], body, text.count("\n", 0, before) + 1)


def read(page: Path) -> str:
    """Return the text of a page and of the files that it includes."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"^\.\. include:: (\S+)", text, re.MULTILINE):
        text += (page.parent / name).read_text(encoding="utf-8")
    return text


def whole() -> str:
    """Return the text of README.rst and of all pages."""
    return "\n".join([(ROOT / "README.rst").read_text(encoding="utf-8"), *map(read, PAGES)])
