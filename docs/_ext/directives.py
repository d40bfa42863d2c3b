"""Sphinx directives that insert the tables of :mod:`tables`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def directive(lines: Callable[[], Iterable[str]]) -> type[SphinxDirective]:
    """Return a directive class that inserts the given lines."""

    class Lines(SphinxDirective):
        def run(self) -> list[nodes.Node]:
            return self.parse_text_to_nodes("\n".join(lines()))

    return Lines


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives; Sphinx calls this."""
    app.add_directive("chest-config", directive(tables.config_keys))
    app.add_directive("chest-redacted", directive(tables.default_patterns))
    app.add_directive("chest-commands", directive(tables.commands))
    app.add_directive("chest-standalone-commands", directive(tables.standalone_commands))
    return {"parallel_read_safe": True}
