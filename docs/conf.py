"""How Sphinx makes the documentation: ``tox -e docs``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from flask_chest import __version__

project = "Flask-Chest"
author = "The Flask-Chest authors"
copyright = "the Flask-Chest authors"  # noqa: A001 - the name that Sphinx reads
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.doctest", "directives"]
exclude_patterns = ["_build"]
# Quotation marks stand around code here, too.
smartquotes = False
html_theme = "furo"
html_title = "Flask-Chest"
html_copy_source = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"

# Every name of ours that is referred to must be documented. Those of others are not looked up:
# that takes their sites, and a build must not fail because one of them is down.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!flask_chest\b).*")]
